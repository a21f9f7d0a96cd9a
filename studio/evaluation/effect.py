"""How much an adapter changes pictures at all, on paired seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

UNCHANGED = 0.01  # of the value range: what an eye does not see


@dataclass(frozen=True)
class EffectResult:
    """Change from the base's picture to the adapter's of the same prompt and seed.

    Attributes:
        mean_change: mean absolute difference of pixel values, as a share of their range.
        unchanged_share: share of the pictures that change by less than 1%.
    """

    mean_change: float
    unchanged_share: float


def measure_effect(base: Sequence[Image.Image], adapter: Sequence[Image.Image]) -> EffectResult:
    """Compare picture by picture; both sequences are in the same order."""
    changes = [_change(a, b) for a, b in zip(base, adapter, strict=True)]
    unchanged = np.mean([change < UNCHANGED for change in changes])
    return EffectResult(mean_change=float(np.mean(changes)), unchanged_share=float(unchanged))


def _change(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(p.convert("RGB"), dtype=np.float64) / 255.0 for p in (first, second))
    return float(np.abs(a - b).mean())
