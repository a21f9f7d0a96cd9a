"""What the U-Net reads of a text."""

from __future__ import annotations

from collections.abc import Sequence
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
    """

    hidden_states: Tensor
    pooled: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[Conditioning]) -> Self:
        """Several as one batch, in order. All of them have pooled vectors, or none has."""
        pooled = [part.pooled for part in parts if part.pooled is not None]
        return cls(
            torch.cat([part.hidden_states for part in parts]),
            torch.cat(pooled) if pooled else None,
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditioning:
        pooled = None if self.pooled is None else self.pooled.to(device, dtype)
        return Conditioning(self.hidden_states.to(device, dtype), pooled)
