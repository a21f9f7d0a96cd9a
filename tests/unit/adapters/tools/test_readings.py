"""What each tool makes of what we write, and of what we do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.tools import a1111, comfyui, diffusers, kohya
from studio.adapters.weight_changes import Reader, measure_changes
from studio.bases.base_model import BaseModel

READERS: dict[str, Reader] = {
    "a1111": a1111.read_back,
    "comfyui": comfyui.read_back,
    "diffusers": diffusers.read_back,
    "kohya": kohya.read_back,
}
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
Read = Callable[[str, Path, Adapter], Measurement]


@pytest.fixture(params=["sd1", "sd2", "sdxl"])
def base(request: pytest.FixtureRequest) -> BaseModel:
    names = {"sd1": "tiny_base", "sd2": "tiny_sd2", "sdxl": "tiny_sdxl"}
    found: BaseModel = request.getfixturevalue(names[request.param])
    return found


def written(adapter: Adapter, base: BaseModel, folder: Path, name: str = "kohya") -> Path:
    return export(adapter, base, folder, "x", formats=[name], dtype="fp32")[0].path


def read(tool: str, path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    return measure_changes(path, READERS[tool], trained_changes(adapter), base)


def spoiled(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    return path


@pytest.mark.parametrize("tool", READERS)
def test_all_tools_do_with_our_lora_what_was_trained(
    base: BaseModel, lora: Any, tmp_path: Path, tool: str
) -> None:
    targets = (*ATTENTION, *CONVOLUTIONS, "time_emb_proj")
    adapter = lora(base, unet_targets=targets, text_targets=TEXT)
    found = read(tool, written(adapter, base, tmp_path), adapter, base)
    assert (found.unmatched, found.missing) == ((), ())
    assert max(found.differences.values()) < 1e-5


@pytest.mark.parametrize("tool", READERS)
def test_the_webuis_do_not_read_diffusers_naming(
    base: BaseModel, lora: Any, tmp_path: Path, tool: str
) -> None:
    adapter = lora(base)
    found = read(tool, written(adapter, base, tmp_path, "diffusers"), adapter, base)
    assert bool(found.unmatched) == (tool != "diffusers")


@pytest.mark.parametrize("tool", READERS)
def test_a_misspelled_layer_is_told_by_name(
    base: BaseModel, lora: Any, tmp_path: Path, tool: str
) -> None:
    def misspell(tensors: dict[str, torch.Tensor]) -> None:
        for key in [k for k in tensors if "attn2_to_v" in k][:3]:
            tensors[key.replace("attn2_to_v", "attn2_to_vv")] = tensors.pop(key)

    adapter = lora(base, unet_targets=("attn2.to_v", "attn2.to_q"))
    found = read(tool, spoiled(written(adapter, base, tmp_path), misspell), adapter, base)
    # diffusers tells it by the name that it made of it.
    assert any("to_vv" in clause.replace(".", "_") for clause in found.unmatched)


@pytest.mark.parametrize("tool", READERS)
def test_a_wrong_alpha_is_seen_by_its_effect(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, tool: str
) -> None:
    def double(tensors: dict[str, torch.Tensor]) -> None:
        key = next(k for k in tensors if k.endswith(".alpha"))
        tensors[key] *= 2

    adapter = lora(tiny_base)
    found = read(tool, spoiled(written(adapter, tiny_base, tmp_path), double), adapter, tiny_base)
    assert found.unmatched == ()
    assert max(found.differences.values()) > 0.9


def test_dora_is_read_in_ways_of_their_own(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    """LyCORIS' meaning, which is also peft's, is kohya's alone; diffusers drops the lengths."""
    adapter = lora(tiny_base, use_dora=True)
    path = written(adapter, tiny_base, tmp_path)
    off = {tool: read(tool, path, adapter, tiny_base) for tool in READERS}
    assert all("dora_scale" in clause for clause in off["diffusers"].unmatched)
    assert off["diffusers"].unmatched
    for tool in ("a1111", "comfyui"):
        assert off[tool].unmatched == ()
        assert max(off[tool].differences.values()) > 0.01
    assert off["kohya"].unmatched == ()
    assert max(off["kohya"].differences.values()) < 1e-5


def test_openclip_attention_is_changed_whole_or_not_at_all(
    tiny_sdxl: BaseModel, lora: Any, tmp_path: Path
) -> None:
    def without_out(tensors: dict[str, torch.Tensor]) -> None:
        for key in [k for k in tensors if k.startswith("lora_te2") and "out_proj" in k]:
            del tensors[key]

    adapter = lora(tiny_sdxl)
    path = spoiled(written(adapter, tiny_sdxl, tmp_path), without_out)
    found = read("a1111", path, adapter, tiny_sdxl)
    assert any("text_encoder_2" in clause and "out_proj" in clause for clause in found.unmatched)
    assert read("comfyui", path, adapter, tiny_sdxl).unmatched == ()


def test_sdxl_by_diffusers_block_names_leaves_samplers_out_in_a1111(
    tiny_sdxl: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter = lora(tiny_sdxl, unet_targets=("upsamplers.0.conv", "to_q"), text_targets=())
    tensors = {}
    for name, tensor in adapter.tensors.items():
        path, _, part = name.partition(".lora_")
        if part:
            key = "lora_" + path.replace(".", "_")
            side = {"A": "down", "B": "up"}[part[0]]
            tensors[f"{key}.lora_{side}.weight"] = tensor
    file = tmp_path / "x.safetensors"
    save_file(tensors, file)
    unmatched = {tool: read(tool, file, adapter, tiny_sdxl).unmatched for tool in READERS}
    assert all("upsamplers" in clause for clause in unmatched["a1111"])
    assert unmatched["a1111"]
    assert unmatched["comfyui"] == ()


@pytest.mark.parametrize("layer", ["conv_in", "conv_out", "time_embedding.linear_1"])
def test_what_lies_outside_the_blocks_is_for_lycoris(
    tiny_base: BaseModel, tmp_path: Path, layer: str, lora: Any
) -> None:
    """kohya's own network does not reach it, so such a file names LyCORIS, which does."""
    weight = tiny_base.unet.get_submodule(layer).weight
    ones = [1] * (weight.dim() - 2)
    tensors = {
        f"unet.{layer}.lora_A.weight": torch.full((2, *weight.shape[1:]), 0.1),
        f"unet.{layer}.lora_B.weight": torch.full((len(weight), 2, *ones), 0.1),
        f"unet.{layer}.alpha": torch.tensor([2.0]),
    }
    adapter = Adapter(lora(tiny_base).header, tensors)
    path = written(adapter, tiny_base, tmp_path)
    tools = ("a1111", "comfyui", "kohya")
    found = {tool: read(tool, path, adapter, tiny_base) for tool in tools}
    assert all(found[tool].unmatched == () for tool in tools)
    assert all(max(found[tool].differences.values()) < 1e-5 for tool in tools)
    save_file(load_file(path), path, metadata={"ss_network_module": "networks.lora"})
    assert len(read("kohya", path, adapter, tiny_base).unmatched) == 3
