"""Stage ``unet``: the denoiser, on encoded scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from studio.bases.pocket.make.encode import SCENES_PER_GLYPH, SEED, EncodedScenes
from studio.bases.pocket.make.scenes import with_opening
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.text import load_text_encoder, tokenize

CAPTION_DROPOUT = 0.1
PLAIN_SHARE = 0.35  # of steps, on the glyph alone under its bare name
LATE_SHARE = 0.7  # of the run, on mostly late timesteps, where the caption decides what is drawn
LATE_POWER, EVEN_POWER = 0.4, 0.9  # of a uniform draw: 1 is even, below 1 is later


def new_unet() -> UNet2DConditionModel:
    """SD 1.5's module tree (so adapters get its key names), narrow."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(48, 64, 96, 128),
        layers_per_block=2,
        cross_attention_dim=128,
        attention_head_dim=2,  # diffusers' name for the number of heads
        norm_num_groups=16,
    ).to(memory_format=torch.channels_last)


def new_scheduler() -> Any:
    """SD's betas rescaled to zero terminal SNR, v-prediction (Lin et al., 2023, arXiv 2305.08891):
    a model of flat backgrounds must be able to choose its mean brightness.
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def load_unet(folder: Path) -> UNet2DConditionModel:
    """The trained U-Net, averaged weights, frozen."""
    unet = new_unet()
    unet.load_state_dict(torch.load(folder / "unet.pt", weights_only=True)["ema"])
    return unet.requires_grad_(False).eval()


def train_unet(folder: Path, steps: int, batch_size: int) -> None:
    """v-prediction, first what to draw and then how finely; a tenth of the captions empty, for guidance."""
    scenes = EncodedScenes.load(folder)
    text_encoder, tokenizer = load_text_encoder(folder)
    torch.manual_seed(SEED)
    unet: Any = new_unet()
    scheduler = new_scheduler()
    stage = Stage("unet", folder, unet, 2e-3, steps, ema_decay=0.99, muon=True)

    def step_loss(step: int) -> torch.Tensor:
        rng = rng_for(SEED, step)
        chosen = rng.integers(0, len(scenes.latents), batch_size)
        plain = rng.random(batch_size) < PLAIN_SHARE
        chosen[plain] -= chosen[plain] % SCENES_PER_GLYPH
        latents = scenes.latents[chosen]
        captions = [
            "" if rng.random() < CAPTION_DROPOUT else with_opening(scenes.captions[i], rng)
            for i in chosen
        ]
        with torch.no_grad():
            hidden_states = text_encoder(tokenize(tokenizer, captions)).last_hidden_state
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        slots = (np.arange(batch_size) + rng.random(batch_size)) / batch_size  # stratified
        drawn = slots ** (LATE_POWER if step < LATE_SHARE * steps else EVEN_POWER)
        timesteps = torch.from_numpy((drawn * scheduler.config.num_train_timesteps).astype(int))
        noisy_latents = scheduler.add_noise(latents, noise, timesteps)
        target = scheduler.get_velocity(latents, noise, timesteps)
        noisy_latents = noisy_latents.contiguous(memory_format=torch.channels_last)
        model_pred = unet(noisy_latents, timesteps, hidden_states).sample
        return (model_pred - target).square().mean()

    stage.run(step_loss)
