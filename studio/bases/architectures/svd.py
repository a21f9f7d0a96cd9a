"""Stable Video Diffusion: a clip from its first picture (Blattmann et al., 2023, arXiv 2311.15127)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from diffusers import StableVideoDiffusionPipeline
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
    _resize_with_antialiasing,
)
from torch import Tensor
from transformers import CLIPImageProcessor

from studio.bases.architectures.architecture import Architecture
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.errors import BaseModelError

PICTURE_SIDE_PX = 224
"""What the image encoder reads; diffusers' pipeline knows no other size."""

NO_CAPTIONS = "is guided by a picture and reads no captions"


class StableVideoDiffusion(Architecture):
    """The U-Net reads the first picture twice: its CLIP embedding, and its latents beside each frame."""

    def encode_captions(self, base: BaseModel, captions: Sequence[str]) -> NoReturn:  # noqa: ARG002
        raise BaseModelError(f"{base.name} is of family svd, which {NO_CAPTIONS}")

    def encode_ids(self, text_encoder: Any, ids: Tensor, layer: int) -> NoReturn:  # noqa: ARG002
        raise BaseModelError(f"Stable Video Diffusion {NO_CAPTIONS}")

    @torch.no_grad()
    def encode_picture(
        self, base: BaseModel, pixel_values: Tensor, augmentation: Tensor
    ) -> Conditioning:
        encoder, vae = base.image_encoder, base.vae
        if encoder is None:
            raise BaseModelError(f"{base.name} has no image encoder; give a whole model")
        # Resized as the U-Net's training did, which no public function of the libraries does.
        side = (PICTURE_SIDE_PX, PICTURE_SIDE_PX)
        small = _resize_with_antialiasing(pixel_values.float().cpu(), side)  # type: ignore[no-untyped-call]
        reader = CLIPImageProcessor()
        mean, std = (torch.tensor(v)[:, None, None] for v in (reader.image_mean, reader.image_std))
        normalised = ((small + 1) / 2 - mean) / std
        embeds = encoder(normalised.to(encoder.device, encoder.dtype)).image_embeds
        augmented = (pixel_values + augmentation).to(vae.device, vae.dtype)
        # Not scaled by the VAE's factor, as the frames' latents are: so it was trained.
        image_latents = vae.encode(augmented).latent_dist.mode()
        return Conditioning(embeds[:, None], image_latents=image_latents)

    def predict(
        self,
        base: BaseModel,
        noisy_latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        time_ids: Tensor | None,
    ) -> Tensor:
        if conditioning.image_latents is None or time_ids is None:
            raise ValueError("an svd U-Net reads image latents and time_ids; the batch lacks them")
        beside = conditioning.image_latents[:, None].expand(-1, noisy_latents.shape[1], -1, -1, -1)
        answer: Tensor = base.unet(
            torch.cat([noisy_latents, beside], dim=2),
            timesteps,
            conditioning.hidden_states,
            added_time_ids=time_ids.to(noisy_latents.device),
        ).sample
        return answer

    def pipeline(self, base: BaseModel, scheduler: Any) -> NoReturn:  # noqa: ARG002
        raise BaseModelError(
            f"{base.name} is of family svd, which draws clips from a picture, not pictures from a "
            "text; give one with --image PICTURE"
        )

    def clip_pipeline(self, base: BaseModel) -> Any:
        scheduler: Any = base.noise_scheduler
        return StableVideoDiffusionPipeline(  # type: ignore[no-untyped-call]
            vae=base.vae,
            image_encoder=base.image_encoder,
            unet=base.unet,
            scheduler=type(scheduler).from_config(scheduler.config),
            feature_extractor=CLIPImageProcessor(),
        )
