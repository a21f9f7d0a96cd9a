"""Stage ``vae``: the autoencoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from studio.bases.pocket.make.glyphs import glyphs
from studio.bases.pocket.make.scenes import random_scene, texture_scene, to_array
from studio.bases.pocket.make.stage import Stage, rng_for

CROP_PX = 64
TEXTURE_SHARE = 0.3  # crops in any colour; the rest are the scenes that pocket draws
KL_WEIGHT = 5e-6  # per latent element, against a mean squared error in [-1, 1] units
SEED = 1


def new_vae() -> AutoencoderKL:
    """Factor 8, 4 latent channels, Stable Diffusion's own module tree at small widths."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 96),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=128,
    ).to(memory_format=torch.channels_last)


def load_vae(folder: Path) -> AutoencoderKL:
    """The trained autoencoder, averaged weights, frozen."""
    vae = new_vae()
    vae.load_state_dict(torch.load(folder / "vae.pt", weights_only=True)["ema"])
    return vae.requires_grad_(False).eval()


def train_autoencoder(folder: Path, steps: int, batch_size: int) -> None:
    """Both halves on random crops: mean squared error plus a small KL term."""
    torch.manual_seed(SEED)
    vae = new_vae()
    stage = Stage("vae", folder, vae, 2e-3, steps, ema_decay=0.99, muon=True)

    def step_loss(step: int) -> torch.Tensor:
        pixel_values = _crops(rng_for(SEED, step), batch_size)
        torch.manual_seed(step)
        posterior = vae.encode(pixel_values).latent_dist
        decoded = vae.decode(posterior.sample()).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return (decoded - pixel_values).square().mean() + KL_WEIGHT * kl

    stage.run(step_loss)


def _crops(rng: np.random.Generator, batch_size: int) -> torch.Tensor:
    seen = [g for g in glyphs() if not g.held_out]
    crops = []
    for _ in range(batch_size):
        compose = texture_scene if rng.random() < TEXTURE_SHARE else random_scene
        picture = to_array(compose(seen[rng.integers(len(seen))], rng).draw())
        y, x = rng.integers(0, picture.shape[1] - CROP_PX + 1, 2)
        crops.append(picture[:, y : y + CROP_PX, x : x + CROP_PX])
    return torch.from_numpy(np.stack(crops)).contiguous(memory_format=torch.channels_last)
