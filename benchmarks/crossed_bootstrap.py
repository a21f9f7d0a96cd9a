"""Confidence intervals where every prompt is drawn with the adapter of every seed.

Seeds and prompts are both drawn anew, independently of each other, and a figure is computed from the
pictures where drawn seeds and drawn prompts cross: the pigeonhole bootstrap (Owen, 2007,
arXiv 0712.1111), which errs on the wide side. All figures are computed from the same draws, so that
the interval of a difference is that of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Figure = Callable[[Indices, Indices], float]
"""A figure from some of the seeds and some of the prompts, each perhaps more than once."""

RESAMPLES = 1000
CONFIDENCE = 0.90


@dataclass(frozen=True)
class Estimate:
    """A figure from all seeds and prompts, and its 90% interval."""

    value: float
    low: float
    high: float


def estimated(
    figures: Mapping[str, Figure], num_seeds: int, num_prompts: int, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Each figure by its name; and, under "later - earlier", how much each is above those before it."""
    rng = np.random.default_rng(0)
    draws = [(np.arange(num_seeds), np.arange(num_prompts))]  # the first is everything, once
    for _ in range(resamples):
        seeds = rng.integers(num_seeds, size=num_seeds)
        draws.append((seeds, rng.integers(num_prompts, size=num_prompts)))
    values = {name: np.array([figure(*draw) for draw in draws]) for name, figure in figures.items()}
    for earlier, later in combinations(tuple(values), 2):
        values[f"{later} - {earlier}"] = values[later] - values[earlier]
    return {name: _estimate(drawn) for name, drawn in values.items()}


def _estimate(drawn: NDArray[np.float64]) -> Estimate:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(drawn[1:], [tail, 1.0 - tail])
    return Estimate(float(drawn[0]), float(low), float(high))
