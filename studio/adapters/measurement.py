"""What an independent reader finds in an adapter file: the figures behind a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Measurement:
    """A file compared with the adapter that it was written from.

    Attributes:
        differences: by layer or part, how far what the file does is from what was trained, as a
            share of it; `relative` makes one.
        missing: trained layers or parts that the file does not hold.
        unmatched: one clause for each tensor that no reader would use or that does not fit.
        tensors: how many tensors the file holds.
        dtype: the coarsest number format in it.
        kept_share: share of the change (squared Frobenius norm) that the file can hold, where its
            format or number format cannot hold all of it; None where that was not asked.
    """

    differences: dict[str, float]
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]
    tensors: int
    dtype: torch.dtype
    kept_share: float | None = None


def relative(difference: float, size: float) -> float:
    """``difference / size``; infinite where there is nothing to compare with, or no number."""
    if difference == 0:
        return 0.0
    share = difference / size if size > 0 else math.inf
    return math.inf if math.isnan(share) else share
