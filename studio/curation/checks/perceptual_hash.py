"""Perceptual hashes of many parts of a picture at once: pHash (Zauner 2010) and dHash."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

HASH_BYTES = 16  # of both hashes together


def hashes(parts: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(parts, 16) bytes: 64 bits of the low frequencies' signs, then 64 of brightness gradients.

    Args:
        parts: (parts, 32, 32) gray levels.
    """
    low = dctn(parts, axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    frequencies = low > np.median(low, axis=1, keepdims=True)
    # 8 rows of 8 comparisons between neighbours, of cells four pixels a side.
    cells = parts.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4))
    gradients = (np.roll(cells, -1, axis=2) > cells).reshape(-1, 64)
    return np.packbits(np.concatenate([frequencies, gradients], axis=1), axis=1)
