"""A batch in parts, for a memory that holds only so many pictures at once."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from studio.examples.batch import Batch


def split(batch: Batch, size: int) -> list[Batch]:
    """Consecutive parts of at most ``size`` examples; the batch itself where it is no larger.

    Everything is split alike, prior examples too, so the part's share of the batch's examples is its
    share of the gradient: a mean over the batch is the mean of the parts' means, weighed by their
    lengths.
    """
    count = len(batch.items)
    if count <= size:
        return [batch]
    return [_part(batch, slice(first, first + size)) for first in range(0, count, size)]


def _part(value: Any, places: slice) -> Any:
    """Some places of whatever has one place an example."""
    if value is None:
        return None
    if isinstance(value, Tensor | list):
        return value[places]
    if is_dataclass(value) and not isinstance(value, type):
        # By their fields: one that is added later is split too, not forgotten.
        parts = {field.name: _part(getattr(value, field.name), places) for field in fields(value)}
        return replace(value, **parts)
    raise TypeError(f"a batch holds a {type(value).__name__}, which has no parts")
