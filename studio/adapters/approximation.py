"""A LoRA that stands for something larger, and how much of that it holds."""

from __future__ import annotations

from dataclasses import dataclass

from studio.adapters.adapter import Adapter


@dataclass(frozen=True)
class Approximation:
    """A LoRA made of other weights: extracted, merged, resized or converted.

    Attributes:
        adapter: of kind ``lora``, its header with the shares.
        kept_share: of the squared Frobenius norm of everything that it stands for.
        kept_by_layer: the same for each layer, by neutral path.
    """

    adapter: Adapter
    kept_share: float
    kept_by_layer: dict[str, float]
