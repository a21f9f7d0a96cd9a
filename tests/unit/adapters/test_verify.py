"""The verdict has to notice every way in which a file can be wrong without any reader complaining."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters import kohya
from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.verify import Verdict, verify
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError

LAYER = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v"
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def adapter(tiny_base: BaseModel, lora: Any) -> Adapter:
    made: Adapter = lora(tiny_base, unet_targets=("attn2.to_v", "attn2.to_q"))
    return made


def spoiled(path: Path, change: Callable[[Tensors], Any]) -> Path:
    """The file with its tensors changed and its metadata kept."""
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    return path


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", ["kohya", "diffusers"])
def test_a_right_file_passes(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path, name: str, dtype: Any
) -> None:
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[name], dtype=dtype)
    verdict = file.verdict
    assert verdict.ok
    assert (verdict.format, verdict.dtype, verdict.problem()) == (name, dtype, "")
    assert verdict.layers == len(adapter.tensors) // 3
    assert verdict.max_relative_difference <= verdict.tolerance
    assert (verdict.max_relative_difference == 0) <= (dtype == "fp32")
    assert Verdict(**json.loads(json.dumps(verdict.to_json()))).layers == verdict.layers


def rename(tensors: Tensors) -> None:
    for key in [key for key in tensors if key.startswith(f"{LAYER}.")]:
        tensors[key.replace("attn2_to_v", "attn2_to_vv")] = tensors.pop(key)


WRONG: dict[str, tuple[Callable[[Tensors], Any], str]] = {
    "a misspelled module": (rename, "3 tensors unused, .*attn2_to_vv"),
    "a wrong sign": (lambda t: t[f"{LAYER}.lora_up.weight"].neg_(), "off by 200.00%"),
    "a wrong alpha": (lambda t: t[f"{LAYER}.alpha"].mul_(2), "off by 100.00%"),
    "a wrong shape": (
        lambda t: t.update({f"{LAYER}.lora_up.weight": torch.ones(7, 4)}),
        "attn2_to_v.* does not fit the layer",
    ),
    "an absent layer": (
        lambda t: [t.pop(key) for key in list(t) if key.startswith(f"{LAYER}.")],
        "1 layers absent, .*attn2.to_v",
    ),
    "a value that is no number": (
        lambda t: t[f"{LAYER}.lora_up.weight"].fill_(float("nan")),
        "off by inf%",
    ),
    "two layers in each other's place": (
        lambda t: t.update({f"{LAYER}.lora_up.weight": t[f"{LAYER[:-1]}q.lora_up.weight"].clone()}),
        "off by",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_silent_faults_are_found(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path, fault: str
) -> None:
    change, expected = WRONG[fault]
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    verdict = verify(spoiled(file.path, change), adapter, tiny_base)
    assert not verdict.ok
    assert re.search(expected, verdict.problem()), verdict.problem()


def test_a_wrong_configuration_of_peft_is_found(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path
) -> None:
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["diffusers"], dtype="fp32")
    with safe_open(file.path, "pt") as opened:
        metadata = opened.metadata()
    config = json.loads(metadata["lora_adapter_metadata"])
    config["unet.lora_alpha"] /= 2
    config["text_encoder.target_modules"].pop()
    metadata["lora_adapter_metadata"] = json.dumps(config)
    save_file(load_file(file.path), file.path, metadata=metadata)
    verdict = verify(file.path, adapter, tiny_base)
    assert verdict.max_relative_difference == pytest.approx(0.5)
    assert "is not among target_modules" in verdict.problem()


def test_a_wrong_magnitude_is_found(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    adapter = lora(tiny_base, use_dora=True, unet_targets=("attn2.to_v",), text_targets=())
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    assert file.verdict.ok
    spoiled(file.path, lambda t: t[f"{LAYER}.dora_scale"].mul_(1.1))
    assert not verify(file.path, adapter, tiny_base).ok


def test_a_new_adapter_that_changes_nothing_passes(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path
) -> None:
    for key, value in adapter.tensors.items():
        if key.endswith("lora_B.weight"):
            value.zero_()
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    assert file.verdict.ok
    spoiled(file.path, lambda t: t[f"{LAYER}.lora_up.weight"].add_(1e-3))
    assert not verify(file.path, adapter, tiny_base).ok


def test_a_file_that_fails_is_not_published(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (good,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    content = good.path.read_bytes()
    monkeypatch.setattr(kohya, "kohya_name", lambda path, family: f"lora_unet_{family}{path}")
    with pytest.raises(VerificationError, match=r"not kept: .* tensors unused"):
        export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    with pytest.raises(VerificationError):
        export(adapter, tiny_base, tmp_path, "y", formats=["kohya"], dtype="fp16")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
    assert good.path.read_bytes() == content


def test_a_truncated_file_cannot_be_verified(
    tiny_base: BaseModel, adapter: Adapter, tmp_path: Path
) -> None:
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    file.path.write_bytes(file.path.read_bytes()[:-1])
    with pytest.raises(VerificationError, match="truncated"):
        verify(file.path, adapter, tiny_base)
