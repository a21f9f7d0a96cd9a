"""What one forward pass learns from: examples of one bucket, encoded, on the device."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Batch:
    """Examples of one bucket, encoded.

    Attributes:
        latents: (batch, 4, height/8, width/8), scaled by the VAE's scaling factor, fp32.
        encoder_hidden_states: (batch, tokens, width); None where the trainer encodes text itself.
        captions: the texts, after caption dropout.
        items: each example's index in the trainer's list.
        views: how often each example had been seen before in this run.
        weights: (batch,) factors on the loss, fp32.
    """

    latents: Tensor
    encoder_hidden_states: Tensor | None
    captions: list[str]
    items: list[int]
    views: list[int]
    weights: Tensor

    @property
    def addresses(self) -> list[tuple[int, int]]:
        """(view, item) of each example: the counters of its random draws, never twice in a run."""
        return list(zip(self.views, self.items, strict=True))
