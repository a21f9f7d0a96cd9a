"""What the U-Net reads of a text, or of the picture that a clip begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    """What the U-Net reads beside latents and timestep.

    Attributes:
        hidden_states: (batch, tokens, width), for cross-attention.
        pooled: (batch, width), one vector a text, added to the timestep's embedding; SDXL only.
        image_latents: (batch, channels, height, width), of a clip's first picture, not scaled; put
            beside every frame's own; svd only.
    """

    hidden_states: Tensor
    pooled: Tensor | None = None
    image_latents: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[Conditioning]) -> Self:
        """Several as one batch, in order. What one of them has, all have."""
        return cls(
            torch.cat([part.hidden_states for part in parts]),
            _joined([part.pooled for part in parts]),
            _joined([part.image_latents for part in parts]),
        )

    def zeros(self) -> Conditioning:
        """As much of nothing: what SDXL moves away from where no negative prompt is given, and what a
        clip is guided away from.
        """
        return self._each(torch.zeros_like)

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditioning:
        return self._each(lambda tensor: tensor.to(device, dtype))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Conditioning:
        return Conditioning(
            change(self.hidden_states),
            None if self.pooled is None else change(self.pooled),
            None if self.image_latents is None else change(self.image_latents),
        )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.cat(given) if given else None
