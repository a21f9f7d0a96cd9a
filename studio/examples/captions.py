"""Captions as the U-Net reads them."""

from __future__ import annotations

from collections.abc import Sequence

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning


def encode_captions(base: BaseModel, captions: Sequence[str]) -> Conditioning:
    """Captions through the text encoders, as the base's family reads them; carries gradients if enabled.

    Raises:
        BaseModelError: the base model's family reads no text.
    """
    return architecture_of(base).encode_captions(base, captions)
