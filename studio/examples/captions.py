"""Captions as the U-Net reads them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError


def encode_captions(base: BaseModel, captions: Sequence[str]) -> Tensor:
    """The text encoder's last hidden states, (captions, tokens, width); carries gradients if enabled.

    Captions are padded or cut to the tokenizer's length, as Stable Diffusion 1 and 2 were trained.

    Raises:
        BaseModelError: the base model's family reads text in another way.
    """
    if base.family not in ("sd1", "sd2"):
        raise BaseModelError(
            f"cannot train on {base.name}: captions of the family {base.family} cannot be encoded "
            "yet; choose a base model of the family sd1 or sd2"
        )
    tokens = base.tokenizer(
        list(captions),
        padding="max_length",
        max_length=base.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    device = base.text_encoder.device
    states: Tensor = base.text_encoder(tokens.input_ids.to(device)).last_hidden_state
    return states
