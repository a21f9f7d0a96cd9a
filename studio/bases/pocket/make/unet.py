"""Stages ``encode`` and ``unet``: scenes as latents and text embeddings, then the denoiser on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizer

from studio.bases.pocket.make.clip import new_clip
from studio.bases.pocket.make.glyphs import glyphs
from studio.bases.pocket.make.scenes import Scene, random_scene, to_array
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.vae import new_vae
from studio.bases.pocket.make.words import MAX_TOKENS

SEED = 3
SCENES_PER_GLYPH = 10
CAPTION_DROPOUT = 0.1
PLAIN_SHARE = 0.35  # of steps, on the glyph alone under its bare name
TIMESTEP_POWER = 0.6  # below 1: more of the late timesteps, where the caption decides what is drawn


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


def load_vae(folder: Path) -> AutoencoderKL:
    vae = new_vae()
    vae.load_state_dict(torch.load(folder / "vae.pt", weights_only=True)["ema"])
    return vae.requires_grad_(False).eval()


def load_clip(folder: Path) -> tuple[CLIPModel, CLIPTokenizer]:
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    clip = new_clip(tokenizer)
    clip.load_state_dict(torch.load(folder / "vision.pt", weights_only=True)["ema"])
    return clip.requires_grad_(False).eval(), tokenizer


@torch.no_grad()
def embed(clip: CLIPModel, tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """(captions, 32, 128): the text encoder's last hidden state, padded as the pipelines do."""
    tokens = tokenizer(
        captions, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    hidden: torch.Tensor = clip.text_model(input_ids=tokens.input_ids).last_hidden_state
    return hidden


@dataclass
class EncodedScenes:
    """Every scene the U-Net sees: glyph by glyph, ``SCENES_PER_GLYPH`` each.

    Attributes:
        latents: (scenes, 4, 16, 16), standardised per channel.
        embeddings: (scenes, 32, 128), of the scene's caption.
        empty: (32, 128), of the empty caption.
        mean, std: (4,), what standardises the autoencoder's latents.
    """

    latents: torch.Tensor
    embeddings: torch.Tensor
    empty: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor


def encode_scenes(folder: Path) -> None:
    """Draw and encode the scenes once; the result is ``scenes.safetensors``."""
    vae, (clip, tokenizer) = load_vae(folder), load_clip(folder)
    latents, embeddings = [], []
    for glyph in glyphs():
        rng = rng_for(SEED, glyph.index)
        scenes = [Scene(glyph), *(random_scene(glyph, rng) for _ in range(SCENES_PER_GLYPH - 1))]
        captions = [glyph.name, *(s.caption(rng) for s in scenes[1:])]
        pixel_values = torch.from_numpy(np.stack([to_array(s.draw()) for s in scenes]))
        with torch.no_grad():
            posterior = vae.encode(pixel_values.contiguous(memory_format=torch.channels_last))
        latents.append(posterior.latent_dist.mean.contiguous())
        embeddings.append(embed(clip, tokenizer, captions).half())
        if glyph.index % 100 == 0:
            print(f"encode {glyph.index}/{len(glyphs())}", flush=True)
    everything = torch.cat(latents)
    std, mean = torch.std_mean(everything, dim=(0, 2, 3))
    encoded = {
        "latents": (everything - mean[:, None, None]) / std[:, None, None],
        "embeddings": torch.cat(embeddings),
        "empty": embed(clip, tokenizer, [""])[0],
        "mean": mean,
        "std": std,
    }
    save_file(encoded, folder / "scenes.safetensors")


def train_unet(folder: Path, steps: int, batch_size: int) -> None:
    """v-prediction, late timesteps preferred; a tenth of the captions empty, for guidance."""
    scenes = EncodedScenes(**load_file(folder / "scenes.safetensors"))
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
        embeddings = scenes.embeddings[chosen].float()
        embeddings[torch.from_numpy(rng.random(batch_size) < CAPTION_DROPOUT)] = scenes.empty
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        slots = (np.arange(batch_size) + rng.random(batch_size)) / batch_size  # stratified
        late = slots**TIMESTEP_POWER
        timesteps = torch.from_numpy((late * scheduler.config.num_train_timesteps).astype(int))
        noisy_latents = scheduler.add_noise(latents, noise, timesteps)
        target = scheduler.get_velocity(latents, noise, timesteps)
        noisy_latents = noisy_latents.contiguous(memory_format=torch.channels_last)
        model_pred = unet(noisy_latents, timesteps, embeddings).sample
        return (model_pred - target).square().mean()

    stage.run(step_loss)
