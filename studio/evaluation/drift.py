"""How far an adapter moves what it was not asked to move. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from studio.evaluation.effect import EffectResult, measure_effect


@dataclass(frozen=True)
class DriftResult:
    """Change of pictures whose prompts have nothing to do with the set, on paired seeds.

    Attributes:
        mean_change: mean absolute difference of pixel values, as a share of their range.
        share_of_effect: that, over the change of the set's own prompts: 0 is an adapter that keeps to
            its subject, 1 one that changes everything alike, as a style without a trigger should.
        prompts: what was drawn.
    """

    mean_change: float
    share_of_effect: float
    prompts: tuple[str, ...]


def measure_drift(
    base: Sequence[Image.Image],
    adapter: Sequence[Image.Image],
    prompts: Sequence[str],
    effect: EffectResult,
) -> DriftResult:
    """Compare picture by picture; both sequences are in the same order."""
    change = measure_effect(base, adapter).mean_change
    share = change / effect.mean_change if effect.mean_change > 0 else 0.0
    return DriftResult(change, share, tuple(prompts))
