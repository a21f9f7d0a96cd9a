"""Every low-rank file that we write is read whole by each tool's rules, restated in ``restated_rules``.

At full size by names; on the small bases by what the rules make of the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from studio.adapters import kohya
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.adapters.lora_layers import trained_changes
from studio.bases.base_model import BaseModel
from tests.unit.adapters.tools.restated_rules import (
    Tree,
    changed,
    kohya_names,
    read,
    text_layers,
    unet_layers,
)

TOOLS = ("a1111", "forge", "comfyui", "kohya")
FULL_SIZE = {
    "sd1": Tree("sd1", (False, True, True, False), (1, 1, 1, 0), 1, (12,)),
    "sdxl": Tree("sdxl", (False, True, True), (0, 2, 10), 10, (12, 32)),
}
SMALL = {
    "sd1": Tree("sd1", (False, True, False, False), (1, 1, 1, 0), 1, (12,)),
    "sd2": Tree("sd2", (False, True, False, False), (1, 1, 1, 0), 1, (23,)),
    "sdxl": Tree("sdxl", (False, True, True), (0, 2, 3), 3, (12, 4)),
}
UNET = ("attn2.to_v", "to_out.0", "proj_in", "conv1", "conv_shortcut", "samplers.0.conv")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
RANK = 2
EXACT = 2e-6
"""A share of the weight: fp32 in another order of adding."""


# --- full size: names ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FULL_SIZE)
def full_size(
    request: pytest.FixtureRequest, meta_sdxl_unet: nn.Module
) -> tuple[str, dict[str, nn.Module]]:
    """The published models' parts on the meta device, with their family."""
    with torch.device("meta"):
        first = CLIPTextModel(CLIPTextConfig(num_hidden_layers=12))
        second = CLIPTextModelWithProjection(CLIPTextConfig(num_hidden_layers=32))
        untyped: Any = UNet2DConditionModel
        unet: nn.Module = untyped(cross_attention_dim=768, attention_head_dim=8)
    if request.param == "sd1":
        return "sd1", {"unet": unet, "text_encoder": first}
    parts: dict[str, nn.Module] = {
        "unet": meta_sdxl_unet,
        "text_encoder": first,
        "text_encoder_2": second,
    }
    return "sdxl", parts


@pytest.fixture(scope="module")
def full_file(
    full_size: tuple[str, dict[str, nn.Module]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Tensor], set[str]]:
    """A LoRA on every layer inside the model's blocks: family, what our writer made, and the layers."""
    family, parts = full_size
    paths = {path for part, model in parts.items() for path in inner_layers(part, model)}
    tensors: dict[str, Tensor] = {}
    for path in paths:
        tensors |= {f"{path}.lora_{side}.weight": torch.ones(1, 1) for side in "AB"}
    file = tmp_path_factory.mktemp("full") / "x.safetensors"
    header = AdapterHeader("lora", family, "true", "", "{}")
    kohya.write(Adapter(header, tensors), file, "fp16", None)  # type: ignore[arg-type]
    return family, load_file(file), paths


def inner_layers(part: str, model: nn.Module) -> list[str]:
    """Layers inside blocks, as the live model has them."""
    starts = ("down_blocks.", "mid_block.", "up_blocks.", "encoder.layers.")
    return [
        f"{part}.{name.removeprefix('text_model.')}"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and name.removeprefix("text_model.").startswith(starts)
    ]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_name_at_full_size_is_found(
    full_file: tuple[str, dict[str, Tensor], set[str]], tool: str
) -> None:
    family, tensors, paths = full_file
    found = read(tool, tensors, FULL_SIZE[family])
    assert found.unmatched == []
    assert found.layers.keys() == paths
    assert all(len(parts) == 3 for parts in found.layers.values())


def test_counting_finds_each_layer_of_the_live_models(
    full_file: tuple[str, dict[str, Tensor], set[str]],
) -> None:
    family, tensors, paths = full_file
    tree = FULL_SIZE[family]
    layers = [*unet_layers(tree), *text_layers(tree)]
    assert {layer.path for layer in layers} == paths
    assert len({layer.original for layer in layers}) == len(layers) == len(paths)
    linear = [p for p in paths if "resnets" not in p and "samplers" not in p]
    assert len(linear) == {"sd1": 264, "sdxl": 986}[family]  # as the field's files have them
    assert {key.partition(".")[0] for key in tensors} == kohya_names(tree).keys()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("part", ["unet", "te"])
def test_one_misspelled_key_is_told_by_name(
    full_file: tuple[str, dict[str, Tensor], set[str]], tool: str, part: str
) -> None:
    family, tensors, _ = full_file
    right = next(k for k in sorted(tensors) if f"lora_{part}" in k and "_q" in k)
    wrong = right.replace("_q.", "_qq.").replace("_q_proj.", "_qq_proj.")
    spoiled = {wrong if key == right else key: tensor for key, tensor in tensors.items()}
    assert wrong != right
    assert read(tool, spoiled, FULL_SIZE[family]).unmatched == [wrong]


# --- small bases: effective weights -------------------------------------------------------------------


@pytest.fixture(params=SMALL)
def base(request: pytest.FixtureRequest) -> BaseModel:
    names = {"sd1": "tiny_base", "sd2": "tiny_sd2", "sdxl": "tiny_sdxl"}
    found: BaseModel = request.getfixturevalue(names[request.param])
    return found


def weights_of(base: BaseModel) -> dict[str, Tensor]:
    """Every linear and convolution layer's weight by its path behind its part."""
    parts: dict[str, Any] = {"unet": base.unet, **base.named_text_encoders}
    return {
        f"{part}.{name.removeprefix('text_model.')}": module.weight.detach()
        for part, model in parts.items()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def lycoris(base: BaseModel, kind: str, header: AdapterHeader) -> Adapter:
    """A LoHa or LoKr of random values, its scale another than 1."""
    generator = torch.Generator().manual_seed(9)
    tensors: dict[str, Tensor] = {}
    for path, weight in weights_of(base).items():
        if path.endswith(UNET if path.startswith("unet.") else TEXT):
            shapes = SHAPES[kind](len(weight), weight[0].numel())
            for part, shape in shapes.items():
                tensors[f"{path}.{part}"] = 0.3 * torch.randn(shape, generator=generator)
            tensors[f"{path}.alpha"] = torch.tensor([3.0])
    return Adapter(AdapterHeader(kind, header.family, header.base_name, "", "{}"), tensors)


def loha_shapes(rows: int, columns: int) -> dict[str, tuple[int, int]]:
    left, right = (rows, RANK), (RANK, columns)
    return {"hada_w1_a": left, "hada_w1_b": right, "hada_w2_a": left, "hada_w2_b": right}


def lokr_shapes(rows: int, columns: int) -> dict[str, tuple[int, int]]:
    """The first factor whole, the second one a product."""
    return {
        "lokr_w1": (2, 2),
        "lokr_w2_a": (rows // 2, RANK),
        "lokr_w2_b": (RANK, columns // 2),
    }


SHAPES: dict[str, Callable[[int, int], dict[str, tuple[int, int]]]] = {
    "loha": loha_shapes,
    "lokr": lokr_shapes,
}
VARIANTS = ("lora", "loha", "lokr", "dora")


def adapter_on(base: BaseModel, variant: str, lora: Any) -> Adapter:
    """On layers of every kind: with convolutions, so a LoRA is a LoCon."""
    made: Adapter = lora(
        base, unet_targets=UNET, text_targets=TEXT, use_dora=variant == "dora", rank=RANK, alpha=3.0
    )
    return lycoris(base, variant, made.header) if variant in SHAPES else made


def file_of(adapter: Adapter, base: BaseModel, folder: Path) -> Path:
    (file,) = export(adapter, base, folder, "x", formats=["kohya"], dtype="fp32")
    return file.path


@pytest.mark.parametrize("variant", VARIANTS)
def test_their_change_is_ours(base: BaseModel, variant: str, lora: Any, tmp_path: Path) -> None:
    """DoRA for kohya's LyCORIS alone: the others read its lengths in ways of their own."""
    adapter = adapter_on(base, variant, lora)
    tensors = load_file(file_of(adapter, base, tmp_path))
    weights, ours = weights_of(base), trained_changes(adapter)
    wanted = {path: weights[path] + change(weights[path]) for path, change in ours.items()}
    for tool in TOOLS if variant != "dora" else ("kohya",):
        found = read(tool, tensors, SMALL[base.family])
        assert found.unmatched == []
        assert ours.keys() <= found.layers.keys()
        for path, parts in found.layers.items():
            weight = weights[path]
            after = changed(parts, weight)
            off = (after - wanted.get(path, weight)).abs().max()
            assert off <= EXACT * after.abs().max(), (tool, path)
        assert all((wanted[path] - weights[path]).abs().max() > 1e-3 for path in wanted)


def test_the_layers_counted_are_those_of_the_small_bases(base: BaseModel) -> None:
    tree = SMALL[base.family]
    counted = {layer.path for layer in (*unet_layers(tree), *text_layers(tree))}
    parts: dict[str, Any] = {"unet": base.unet, **base.named_text_encoders}
    assert counted == {path for part, model in parts.items() for path in inner_layers(part, model)}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_wrong_alpha_or_sign_is_seen(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, tool: str
) -> None:
    adapter = adapter_on(tiny_base, "lora", lora)
    path = file_of(adapter, tiny_base, tmp_path)
    weights, ours = weights_of(tiny_base), trained_changes(adapter)
    key = next(k for k in load_file(path) if k.endswith("attn2_to_v.alpha"))
    up = key.replace(".alpha", ".lora_up.weight")
    for spoiled, factor in ((key, 2), (up, -1)):
        tensors = load_file(path)
        tensors[spoiled] = factor * tensors[spoiled]
        save_file(tensors, tmp_path / "y.safetensors")
        found = read(tool, load_file(tmp_path / "y.safetensors"), SMALL["sd1"])
        off = {
            layer: (
                changed(found.layers[layer], weights[layer])
                - weights[layer]
                - wanted(weights[layer])
            )
            for layer, wanted in ours.items()
        }
        wrong = [layer for layer, difference in off.items() if difference.abs().max() > 0.01]
        assert len(wrong) == 1
        assert wrong[0].endswith("attn2.to_v")
