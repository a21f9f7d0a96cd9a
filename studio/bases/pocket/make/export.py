"""Stage ``export``: the trained parts as a diffusers folder in fp16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import (
    StableDiffusionPipeline,
)
from safetensors.torch import load_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from studio import atomic
from studio.bases.pocket.make.text import load_text_encoder
from studio.bases.pocket.make.unet import load_unet, new_scheduler
from studio.bases.pocket.make.vae import load_vae
from studio.bases.pocket.make.vision import VISION_SIDE_PX, load_clip

VERSION = 0


def standardised_vae(folder: Path) -> AutoencoderKL:
    """The autoencoder with the latents' mean and spread folded into its 1 x 1 convolutions, so that
    latents come out standardised and ``scaling_factor`` is 1.
    """
    vae = load_vae(folder)
    scenes = load_file(folder / "scenes.safetensors")
    mean, std = scenes["mean"], scenes["std"]
    encode: Any = vae.quant_conv
    decode: Any = vae.post_quant_conv
    channels = len(mean)
    with torch.no_grad():
        encode.bias[:channels] = (encode.bias[:channels] - mean) / std
        encode.weight[:channels] /= std[:, None, None, None]
        encode.bias[channels:] -= 2 * std.log()  # the second half holds log variances
        decode.bias += (decode.weight[:, :, 0, 0] * mean).sum(1)
        decode.weight *= std[None, :, None, None]
    vae.register_to_config(scaling_factor=1.0)
    return vae


def clip_processor() -> CLIPImageProcessorPil:
    """Pictures as the vision tower was taught with them: whole, squared, in [-1, 1]."""
    return CLIPImageProcessorPil(
        size={"height": VISION_SIDE_PX, "width": VISION_SIDE_PX},
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )


def export(folder: Path, weights: Path) -> None:
    """Write ``weights`` (a diffusers folder, plus ``clip/``) whole or not at all."""
    text_encoder, tokenizer = load_text_encoder(folder)
    clip, _ = load_clip(folder)
    parts: dict[str, Any] = {
        "vae": standardised_vae(folder),
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "unet": load_unet(folder),
        "scheduler": new_scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipeline = StableDiffusionPipeline(**parts).to(torch.float16)
    with atomic.replacing_folder(weights) as temporary:
        pipeline.save_pretrained(temporary)
        clip.half().save_pretrained(temporary / "clip")
        clip_processor().save_pretrained(temporary / "clip")
        for file in temporary.rglob("*.safetensors"):
            file.chmod(0o644)  # they are written readable by their owner alone
        # pocket's widths are its own, so its family must be said.
        atomic.write_json(temporary / "pocket.json", {"version": VERSION, "family": "sd1"})
