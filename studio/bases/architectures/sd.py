"""Stable Diffusion 1.x and 2.x: one text encoder, read at its end."""

from __future__ import annotations

from typing import Any

from diffusers import StableDiffusionPipeline
from torch import Tensor

from studio.bases.architectures.architecture import Architecture
from studio.bases.architectures.text import hidden_layer
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning


class StableDiffusion(Architecture):
    """Rombach et al., 2022, arXiv 2112.10752."""

    def encode_ids(self, text_encoder: Any, ids: Tensor, layer: int) -> Conditioning:
        """The layer's hidden states, normalised whichever it is, as the webuis do."""
        if layer == 1:
            return Conditioning(text_encoder(ids).last_hidden_state)
        states = hidden_layer(text_encoder(ids, output_hidden_states=True), layer)
        return Conditioning(
            getattr(text_encoder, "text_model", text_encoder).final_layer_norm(states)
        )

    def predict(
        self,
        base: BaseModel,
        noisy_latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        time_ids: Tensor | None,  # noqa: ARG002 - it knows of no sizes
    ) -> Tensor:
        answer: Tensor = base.unet(noisy_latents, timesteps, conditioning.hidden_states).sample
        return answer

    def pipeline(self, base: BaseModel, scheduler: Any) -> Any:
        return StableDiffusionPipeline(  # type: ignore[no-untyped-call]
            vae=base.vae,
            text_encoder=base.text_encoder,
            tokenizer=base.tokenizer,
            unet=base.unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
