"""A LoRA file shows the same pictures here and through diffusers' own loader."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.adapters import kohya
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.preview.pairs import sample_pairs
from studio.preview.sampler import initial_latents
from studio.preview.settings import SamplingSettings
from studio.preview.stages import pipeline

SETTINGS = SamplingSettings(num_inference_steps=4, guidance_scale=3.0)
RANK = 4


def lora(base: BaseModel, family: str = "sd1") -> Adapter:
    """Random matrices for the U-Net's attention, strong enough to be seen."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for path, module in base.unet.named_modules():
        if path.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            out, into = module.weight.shape
            for name, shape in (("lora_A", (RANK, into)), ("lora_B", (out, RANK))):
                matrix = 0.2 * torch.randn(shape, generator=generator)
                tensors[f"unet.{path}.{name}.weight"] = matrix
            tensors[f"unet.{path}.alpha"] = torch.tensor([8.0])
    settings = f'{{"kind": "lora", "rank": {RANK}, "alpha": 8.0}}'
    header = AdapterHeader("lora", family, base.name, base.digest, settings, title="Random")
    return Adapter(header, tensors)


def test_diffusers_shows_the_same_pictures(small_base: BaseModel, tmp_path: Path) -> None:
    file = tmp_path / "random.safetensors"
    kohya.write(lora(small_base), file, "fp32", small_base)
    ours = sample_pairs(small_base, [file], ["a red heart"], [7], SETTINGS)
    bare, adapted = (np.asarray(s.pictures[0], dtype=int) for s in ours.series)

    theirs_base = replace(small_base, unet=copy.deepcopy(small_base.unet))
    pipe = pipeline(theirs_base)
    pipe.load_lora_weights(tmp_path, weight_name=file.name)
    theirs = pipe(
        "a red heart",
        latents=initial_latents(7, 64, 64),
        height=64,
        width=64,
        num_inference_steps=4,
        guidance_scale=3.0,
    ).images[0]
    assert np.abs(adapted - bare).mean() > 3
    # They add the product beside the layer, we add it into the weights: rounding differs.
    assert np.abs(adapted - np.asarray(theirs, dtype=int)).max() <= 1


def test_a_file_for_another_family_is_refused_before_drawing(
    small_base: BaseModel, tmp_path: Path
) -> None:
    file = tmp_path / "random.safetensors"
    kohya.write(lora(small_base, family="sd2"), file, "fp32", small_base)
    with pytest.raises(AdapterError, match="family sd2"):
        sample_pairs(
            small_base, [file], ["a"], [0], SETTINGS, progress=lambda *_: pytest.fail("was drawn")
        )


def test_a_file_trained_on_another_base_of_the_family_draws_with_a_warning(
    small_base: BaseModel, tmp_path: Path
) -> None:
    file = tmp_path / "random.safetensors"
    kohya.write(lora(replace(small_base, name="other", digest="1" * 64)), file, "fp32", small_base)
    settings = SETTINGS.model_copy(update={"num_inference_steps": 1})
    comparison = sample_pairs(small_base, [file], ["a"], [0], settings)
    assert len(comparison.warnings) == 1
    assert comparison.warnings[0].startswith("random.safetensors: the adapter was trained on other")
