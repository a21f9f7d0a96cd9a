"""Stable Diffusion XL and its refiner: hidden states of the last layer but one, a pooled vector, sizes.

Podell et al., 2023, arXiv 2307.01952.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from torch import Tensor

from studio.bases.architectures.architecture import Architecture
from studio.bases.architectures.text import hidden_layer
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning

AESTHETIC_SCORE = 6.0
"""Of a picture that the refiner is to learn from, and of those that it is asked for in diffusers."""


class StableDiffusionXL(Architecture):
    """The base: two text encoders side by side, the second one's projected vector as ``pooled``.

    It was trained on their last layer but one, so clip skip 1 and 2 both mean that one.
    """

    trained_layer = 2

    def encode_ids(self, text_encoder: Any, ids: Tensor, layer: int) -> Conditioning:
        """The layer's hidden states, without the final norm."""
        output = text_encoder(ids, output_hidden_states=True)
        # What comes first is the projected vector in the encoder that has one, the last.
        return Conditioning(hidden_layer(output, layer), output[0])

    def predict(
        self,
        base: BaseModel,
        noisy_latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        time_ids: Tensor | None,
    ) -> Tensor:
        if conditioning.pooled is None or time_ids is None:
            raise ValueError("an sdxl U-Net reads pooled text and time_ids; the batch lacks them")
        added = {
            "text_embeds": conditioning.pooled,
            "time_ids": self._time_ids(time_ids).to(noisy_latents.device),
        }
        answer: Tensor = base.unet(
            noisy_latents, timesteps, conditioning.hidden_states, added_cond_kwargs=added
        ).sample
        return answer

    def pipeline(self, base: BaseModel, scheduler: Any) -> Any:
        (text_encoder, text_encoder_2), (tokenizer, tokenizer_2) = (
            base.text_encoders,
            base.tokenizers,
        )
        return StableDiffusionXLPipeline(  # type: ignore[no-untyped-call]
            vae=base.vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=base.unet,
            scheduler=scheduler,
            force_zeros_for_empty_prompt=base.force_zeros_for_empty_prompt,
            add_watermarker=False,
        )

    def _time_ids(self, sizes: Tensor) -> Tensor:
        """What the U-Net is told of size and crop."""
        return sizes


class Refiner(StableDiffusionXL):
    """The second encoder alone; in the place of the target size the score of a fine picture."""

    def pipeline(self, base: BaseModel, scheduler: Any) -> Any:
        """One that goes on with a picture that is drawn already, or with half-denoised latents."""
        return StableDiffusionXLImg2ImgPipeline(  # type: ignore[no-untyped-call]
            vae=base.vae,
            text_encoder=None,
            text_encoder_2=base.text_encoders[0],
            tokenizer=None,
            tokenizer_2=base.tokenizers[0],
            unet=base.unet,
            scheduler=scheduler,
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=base.force_zeros_for_empty_prompt,
            add_watermarker=False,
        )

    def _time_ids(self, sizes: Tensor) -> Tensor:
        score = torch.full_like(sizes[:, :1], AESTHETIC_SCORE)
        return torch.cat([sizes[:, :4], score], dim=1)
