"""diffusers' own loader makes of an exported file what was trained: the effective weights are equal."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
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

TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
CASES: list[tuple[str, dict[str, Any]]] = [
    ("kohya", {}),
    ("diffusers", {}),
    ("kohya", {"unet_targets": ("attn2.to_k", "attn2.to_v"), "text_targets": ()}),
    ("kohya", {"unet_targets": ("attn2.to_q",), "text_targets": ("k_proj", "v_proj")}),
    ("kohya", {"unet_targets": ("ff.net.0.proj", "conv1"), "text_targets": (*TEXT, "fc1")}),
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
    return {f"{part}.{name}": weight.detach().clone() for part, name, weight in live_layers(base)}


def loaded_by_diffusers(base: BaseModel, path: Path) -> dict[str, torch.Tensor]:
    """The weights after ``load_lora_weights`` and ``fuse_lora``."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        unet=base.unet,
        vae=copy.deepcopy(base.vae),
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
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


def assert_changed_as_trained(
    adapter: Adapter, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]
) -> None:
    trained = trained_changes(adapter)
    assert trained
    for path, weight in before.items():
        change = after[path] - weight
        wanted = trained[path](weight) if path in trained else torch.zeros_like(change)
        assert (change - wanted).abs().max() <= 1e-4 * wanted.abs().max(), path
