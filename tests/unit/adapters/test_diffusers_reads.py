"""diffusers' own loader makes of an exported file what was trained: the effective weights are equal."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.lora_layers import trained_changes
from studio.adapters.readback import live_layers
from studio.bases.base_model import BaseModel

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
CASES: list[tuple[str, dict[str, Any]]] = [
    ("kohya", {}),
    ("diffusers", {}),
    ("kohya", {"unet_targets": ("attn2.to_k", "attn2.to_v"), "text_targets": ()}),
    ("kohya", {"unet_targets": ("attn2.to_q",), "text_targets": ("k_proj", "v_proj")}),
    ("kohya", {"unet_targets": ("ff.net.0.proj", "conv1"), "text_targets": (*TEXT, "fc1")}),
    ("kohya", {"unet_targets": ("conv1", "conv2", "downsamplers.0.conv", "upsamplers.0.conv")}),
    ("diffusers", {"unet_targets": ("conv2", "upsamplers.0.conv", "proj_out"), "alpha": 1.5}),
    ("diffusers", {"use_rslora": True, "rank": 5, "alpha": 2.5, "unet_targets": ("to_out.0",)}),
    ("diffusers", {"use_dora": True, "unet_targets": ("to_q", "proj_in")}),
]


@pytest.fixture
def quiet() -> Iterator[None]:
    """What the libraries remark on loading is not what is tested here."""
    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.set_verbosity(logging.ERROR)
    transformers_logging.set_verbosity(logging.ERROR)
    yield
    diffusers_logging.set_verbosity(levels[0])
    transformers_logging.set_verbosity(levels[1])


def weights(base: BaseModel) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name.removeprefix('text_model.')}": weight.detach().clone()
        for part, name, weight in live_layers(base)
    }


def loaded_by_diffusers(base: BaseModel, path: Path) -> dict[str, torch.Tensor]:
    """The weights after ``load_lora_weights`` and ``fuse_lora``."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    shared = {
        "unet": base.unet,
        "vae": copy.deepcopy(base.vae),
        "text_encoder": base.text_encoder,
        "tokenizer": base.tokenizer,
        "scheduler": DDIMScheduler(steps_offset=1, clip_sample=False),
    }
    if base.family == "sdxl":
        second = {"text_encoder_2": base.text_encoders[1], "tokenizer_2": base.tokenizers[1]}
        pipeline = StableDiffusionXLPipeline(**shared, **second, add_watermarker=False)
    else:
        absent = {"safety_checker": None, "feature_extractor": None}
        pipeline = StableDiffusionPipeline(**shared, **absent, requires_safety_checker=False)
    pipeline.load_lora_weights(str(path))
    pipeline.fuse_lora()
    return weights(base)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("file_format", "settings"), CASES)
def test_diffusers_applies_what_was_trained(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, file_format: str, settings: dict[str, Any]
) -> None:
    adapter: Adapter = lora(tiny_base, **settings)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[file_format], dtype="fp32")
    before = weights(tiny_base)
    after = loaded_by_diffusers(tiny_base, file.path)
    assert_changed_as_trained(adapter, before, after)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("file_format", ["kohya", "diffusers"])
def test_diffusers_applies_ranks_and_alphas_that_differ(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, file_format: str
) -> None:
    wide: Adapter = lora(tiny_base, rank=6, alpha=2.0, unet_targets=("attn1.to_q",))
    thin: Adapter = lora(
        tiny_base, rank=2, alpha=2.0, unet_targets=("attn2.to_k",), text_targets=()
    )
    loud: Adapter = lora(tiny_base, rank=6, alpha=9.0, unet_targets=("conv1",), text_targets=())
    adapter = replace(wide, tensors={**wide.tensors, **thin.tensors, **loud.tensors})
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[file_format], dtype="fp32")
    before = weights(tiny_base)
    assert_changed_as_trained(adapter, before, loaded_by_diffusers(tiny_base, file.path))


def assert_changed_as_trained(
    adapter: Adapter, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]
) -> None:
    trained = trained_changes(adapter)
    assert trained
    for path, weight in before.items():
        change = after[path] - weight
        wanted = trained[path](weight) if path in trained else torch.zeros_like(change)
        assert (change - wanted).abs().max() <= 1e-4 * wanted.abs().max(), path
