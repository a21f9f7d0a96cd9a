"""What the rest of the studio asks of a family of base models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from studio.bases.architectures.text import input_ids
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.errors import BaseModelError


class Architecture(ABC):
    """How models of one family are spoken to. Holds no weights; those are the base model's."""

    trained_layer: ClassVar[int] = 1
    """The layer of the text encoders that the family was trained on, counted from the end."""

    def encode_captions(self, base: BaseModel, captions: Sequence[str]) -> Conditioning:
        """Captions through the text encoders; carries gradients if enabled.

        Raises:
            BaseModelError: the family reads no text, or has fewer layers than clip skip asks for.
        """
        layer = max(base.clip_skip, self.trained_layer)
        encoded = [
            self.encode_ids(encoder, input_ids(tokenizer, captions).to(encoder.device), layer)
            for tokenizer, encoder in zip(base.tokenizers, base.text_encoders, strict=True)
        ]
        states = torch.cat([part.hidden_states for part in encoded], dim=-1)
        return Conditioning(states, encoded[-1].pooled)

    @abstractmethod
    def encode_ids(self, text_encoder: Any, ids: Tensor, layer: int) -> Conditioning:
        """Tokens through one text encoder, as the U-Net reads it.

        Args:
            ids: (texts, tokens).
            layer: which one is read, counted from the end, 1 being the last.

        Raises:
            BaseModelError: the family reads no text, or the text encoder has fewer layers.
        """

    @abstractmethod
    def predict(
        self,
        base: BaseModel,
        noisy_latents: Tensor,
        timesteps: Tensor,
        conditioning: Conditioning,
        time_ids: Tensor | None,
    ) -> Tensor:
        """The U-Net's answer, of the shape of the latents, in its own number format.

        Args:
            noisy_latents: (batch, channels, height, width); of clips (batch, frames, channels, height,
                width); on the U-Net's device and in its format, as is ``conditioning``.
            timesteps: (batch,).
            time_ids: (batch, 6), the sizes and the crop as in `studio.examples.framing.Framing`; of
                clips (batch, 3), as in `studio.examples.clips`.

        Raises:
            ValueError: the conditioning or the sizes lack what the U-Net reads.
        """

    @abstractmethod
    def pipeline(self, base: BaseModel, scheduler: Any) -> Any:
        """The pipeline of diffusers that draws pictures, around the base's modules (shared, not copied).

        Raises:
            BaseModelError: the family draws no pictures.
        """

    def encode_picture(
        self,
        base: BaseModel,
        pixel_values: Tensor,  # noqa: ARG002
        augmentation: Tensor,  # noqa: ARG002
    ) -> Conditioning:
        """The picture that a clip begins with, as the U-Net reads it; on the base's device.

        Args:
            pixel_values: (batch, 3, height, width) in [-1, 1].
            augmentation: of that shape; noise on what the VAE is shown, as at drawing.

        Raises:
            BaseModelError: the family makes no clips.
        """
        raise BaseModelError(_no_clips(base))

    def clip_pipeline(self, base: BaseModel) -> Any:
        """The pipeline of diffusers that draws clips, with the base's own sampler.

        Raises:
            BaseModelError: the family makes no clips.
        """
        raise BaseModelError(_no_clips(base))


def _no_clips(base: BaseModel) -> str:
    return (
        f"{base.name} is of family {base.family}, which draws pictures from a text, not clips from a "
        "picture; give a base model of Stable Video Diffusion"
    )
