"""Bases in half precision: the VAE stays in fp32, and pictures are drawn all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.bases.loading import load_base
from studio.examples.tensor_store import module_digest
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings

SETTINGS = SamplingSettings(num_inference_steps=2, guidance_scale=3.0)


@pytest.fixture(params=["sd", "sdxl"])
def folder(request: pytest.FixtureRequest, saved_base: Path, tiny_sdxl_folder: Path) -> str:
    return str(saved_base if request.param == "sd" else tiny_sdxl_folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pictures_in_half_are_those_in_fp32_or_nearly(folder: str, dtype: torch.dtype) -> None:
    whole, half = load_base(folder), load_base(folder, dtype=dtype)
    assert half.unet.dtype == half.text_encoder.dtype == dtype
    assert half.vae.dtype == torch.float32
    assert module_digest(half.vae) == module_digest(whole.vae)  # so latents are cached once
    pictures = [np.asarray(sample(base, ["a"], [0], SETTINGS)[0], float) for base in (whole, half)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 3


def test_the_vae_takes_pictures_in_half_as_well(folder: str) -> None:
    vae = load_base(folder, dtype=torch.bfloat16).vae
    pixels = torch.zeros(1, 3, 16, 16)
    expected = vae.encode(pixels).latent_dist.mean
    assert torch.equal(vae.encode(pixels.bfloat16()).latent_dist.mean, expected)
    assert vae.decode(expected.bfloat16()).sample.dtype == torch.float32
