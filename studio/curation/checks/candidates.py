"""Which pairs of ten thousand pictures may be copies: all against all, by their hashes alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.sketch import Sketch

_BLOCK = 512  # pictures a side: what is compared at once stays in the processor's cache
# A crop lies beside the parts that were hashed, so that its hashes differ more than a copy's.
_PART_BITS = (14, 16)  # of pHash (always even) and dHash


def likely_copies(sketches: Sequence[Sketch], max_distance: int) -> dict[int, list[int]]:
    """For each picture those before it that it may be a copy of, or a part, or the whole of.

    Args:
        sketches: in order of rank.
        max_distance: bits by which both hashes of copies may differ.
    """
    if not sketches:
        return {}
    hashes = np.stack([sketch.hashes for sketch in sketches])  # (pictures, 2 + parts, 2)
    earlier: dict[int, list[int]] = {}
    for later, before in _pairs(hashes, max_distance):
        earlier.setdefault(later, []).append(before)
    return {later: sorted(set(before)) for later, before in earlier.items()}


def _pairs(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[tuple[int, int]]:
    for top in range(0, len(hashes), _BLOCK):
        for left in range(0, top + 1, _BLOCK):
            near = _near(hashes[top : top + _BLOCK], hashes[left : left + _BLOCK], max_distance)
            for row, column in np.argwhere(near):
                if left + column < top + row:
                    yield int(top + row), int(left + column)


def _near(
    later: NDArray[np.uint64], before: NDArray[np.uint64], max_distance: int
) -> NDArray[np.bool_]:
    """(later, before) whether any of the comparisons finds them near."""
    whole = (max_distance, max_distance)
    near = _within(later[:, 0], before[:, 0], whole) | _within(later[:, 0], before[:, 1], whole)
    if max_distance == 0:
        return near
    part_bits = (max(max_distance, _PART_BITS[0]), max(max_distance, _PART_BITS[1]))
    for part in range(2, later.shape[1]):
        near |= _within(later[:, 0], before[:, part], part_bits)
        near |= _within(before[:, 0], later[:, part], part_bits).T
    return near


def _within(
    first: NDArray[np.uint64], second: NDArray[np.uint64], bits: tuple[int, int]
) -> NDArray[np.bool_]:
    near = np.bitwise_count(first[:, None, 0] ^ second[None, :, 0]) <= bits[0]
    # Few, and only these are asked for the other hash. Flat, they are found a dozen times sooner.
    rows, columns = np.divmod(np.flatnonzero(near), near.shape[1])
    near[rows, columns] = np.bitwise_count(first[rows, 1] ^ second[columns, 1]) <= bits[1]
    return np.asarray(near)
