"""The base model that ships: whole, small, and good enough at what everything else stands on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage.metrics import peak_signal_noise_ratio

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.bases.source import locate
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings

ROOT = Path(__file__).resolve().parents[3]
MIB = 2**20


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket")


def test_weights_stay_small_enough_for_a_repository() -> None:
    sizes = [p.stat().st_size for p in locate("pocket").path.rglob("*") if p.is_file()]
    assert sum(sizes) <= 32 * MIB
    assert max(sizes) <= 16 * MIB


def test_weights_are_fp16() -> None:
    for path in locate("pocket").path.rglob("*.safetensors"):
        floating = {t.dtype for t in load_file(path).values() if t.is_floating_point()}
        assert floating == {torch.float16}, path


def test_evaluation_reads_text_with_the_very_encoder_that_drawing_does() -> None:
    folder = locate("pocket").path
    own = load_file(folder / "text_encoder" / "model.safetensors")
    shared = load_file(folder / "clip" / "model.safetensors")
    for name, tensor in own.items():
        plain = name.removeprefix("text_model.")
        assert torch.equal(tensor, shared[f"text_model.{plain}"]), name


def test_autoencoder_reconstructs_a_style_it_never_saw(pocket: BaseModel) -> None:
    """Icons of the sample set, in colours that are not Noto's: at least 22 dB."""
    paths = sorted((ROOT / "datasets" / "flat-icons").glob("*.png"))[:12]
    pictures = np.stack([np.asarray(Image.open(p).convert("RGB"), np.float32) for p in paths])
    pixel_values = torch.from_numpy(pictures / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        latents = pocket.vae.encode(pixel_values).latent_dist.mean
        decoded = pocket.vae.decode(latents).sample.clamp(-1, 1)
    figures = [
        peak_signal_noise_ratio(a.numpy() / 2, b.numpy() / 2, data_range=1.0)
        for a, b in zip(pixel_values, decoded, strict=True)
    ]
    assert np.mean(figures) >= 22


def test_latents_are_standardised(pocket: BaseModel) -> None:
    """The U-Net expects unit variance; the sample sets' latents are near it."""
    paths = sorted((ROOT / "datasets" / "mascot").glob("*.png"))
    pictures = np.stack([np.asarray(Image.open(p).convert("RGB"), np.float32) for p in paths])
    with torch.no_grad():
        pixel_values = torch.from_numpy(pictures / 127.5 - 1).permute(0, 3, 1, 2)
        latents = pocket.vae.encode(pixel_values).latent_dist.mean
    assert pocket.vae.config.scaling_factor == 1
    assert 0.5 < latents.std() < 2


@pytest.mark.slow
def test_it_draws_the_colours_that_it_is_asked_for(pocket: BaseModel) -> None:
    """Mean colour of the middle of pictures: a red heart is redder than a green one, and so on."""
    prompts = ["red heart", "green heart", "blue heart"]
    settings = SamplingSettings(num_inference_steps=12)
    pictures = sample(pocket, prompts, (0, 1, 2), settings)
    middles = [np.asarray(p, np.float32)[40:88, 40:88].mean((0, 1)) for p in pictures]
    by_prompt = np.stack(middles).reshape(3, 3, 3).mean(1)  # (prompt, RGB)
    assert (by_prompt.argmax(0) == np.arange(3)).all(), by_prompt
