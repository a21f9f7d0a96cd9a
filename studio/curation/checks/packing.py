"""Small pictures and bits inside a check's measurement: three bytes to a number, none lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.curation.view import Measurement


def pack_bytes(levels: NDArray[np.uint8]) -> Measurement:
    """``levels``, of any shape, as numbers below 2**24: float32 holds those exactly."""
    flat = levels.ravel()
    padded = np.concatenate([flat, np.zeros(-flat.size % 3, np.uint8)]).reshape(-1, 3)
    return (padded.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)).astype(np.float32)


def unpack_bytes(packed: Measurement, count: int) -> NDArray[np.uint8]:
    """The first ``count`` bytes that `pack_bytes` was given, one-dimensional."""
    numbers = packed.astype(np.uint32)[:, None] >> np.array([16, 8, 0], np.uint32)
    return (numbers & 255).astype(np.uint8).ravel()[:count]
