"""Fine patterns of calm regions, and how a picture's levels and edges are spread.

Local binary patterns (Ojala, Pietikäinen and Mäenpää 2002) and co-occurrences of residuals
(Fridrich and Kodovský 2012) see what energies do not: the worms of a denoiser, the plateaus of a
drawing, the dots of a printed page.
"""

from __future__ import annotations

import cv2
import numpy as np

from studio.curation.material.features.plane import Floats, Plane, blurred

_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_TO_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)
_TINY_SHARE = 1e-3
_STEP_LEVELS = (1.0, 4.0, 24.0)


def texture(plane: Plane) -> dict[str, float]:
    blocks = plane.calm
    luma = cv2.transform(blocks.strip, _TO_LUMA)
    found = {}
    for radius, softened in ((1, luma), (2, blurred(luma, 0.7))):
        for code, share in enumerate(_patterns(blocks.inner(softened, extra_px=radius), radius)):
            found[f"pattern_{radius}_{code}"] = float(np.log(share + _TINY_SHARE))
    for name, share in _together(blocks.inner(luma, extra_px=1)).items():
        found[f"together_{name}"] = float(np.log(share + _TINY_SHARE))
    return {**found, **_spread(plane)}


def _patterns(wide: Floats, radius: int) -> Floats:
    """(10,): shares of the nine rotation-invariant uniform patterns and of all others."""
    core = wide[:, radius:-radius, radius:-radius]
    side = core.shape[1]
    bits = np.empty((8, *core.shape), np.uint8)
    for i, (down, right) in enumerate(_RING):
        top, left = radius * (1 + down), radius * (1 + right)
        bits[i] = wide[:, top : top + side, left : left + side] > core
    ones = bits.sum(axis=0, dtype=np.uint8)
    changes = (bits != np.roll(bits, 1, axis=0)).sum(axis=0, dtype=np.uint8)
    counts = np.bincount(np.where(changes <= 2, ones, 9).ravel(), minlength=10)
    return np.asarray(counts / counts.sum(), np.float32)


def _together(wide: Floats) -> dict[str, float]:
    """Shares of pairs of neighbouring steps, in units of their own spread, signs and order folded."""
    folded = np.zeros((5, 5))
    for blocks in (wide, wide.transpose(0, 2, 1)):
        steps = np.diff(blocks[:, 1:-1], axis=2)
        scale = max(float(np.median(np.abs(steps))) * 1.5, 0.75)
        level = np.clip(np.rint(steps / scale), -2, 2).astype(np.int8) + 2
        pairs = np.bincount((level[..., :-1] * 5 + level[..., 1:]).ravel(), minlength=25)
        counts = pairs.reshape(5, 5)
        folded += counts + counts.T + counts[::-1, ::-1] + counts[::-1, ::-1].T
    folded /= folded.sum()
    return {f"{i}{j}": float(folded[i, j]) for i in range(5) for j in range(i, 5) if i + j <= 4}


def _spread(plane: Plane) -> dict[str, float]:
    """Few colours, plateaus and cliffs tell drawings."""
    some = plane.rgb[::2, ::2]
    coarse = (some >> 4).astype(np.int32)
    codes = (coarse[..., 0] << 8) | (coarse[..., 1] << 4) | coarse[..., 2]
    shares = np.sort(np.bincount(codes.ravel(), minlength=4096))[::-1] / codes.size
    levels = np.bincount(some[..., 1].ravel(), minlength=256) / codes.size
    step = np.abs(np.diff(plane.luma[::2], axis=1))
    found = {f"steps_over_{level:g}": float((step > level).mean()) for level in _STEP_LEVELS}
    found["colours_of_half"] = float(np.log1p((shares.cumsum() < 0.5).sum()))
    found["top_colour"] = float(np.log(shares[0]))
    found["peaked_levels"] = float(np.log(np.sort(levels)[-8:].sum()))
    # Neighbouring levels of a stretched or posterised picture are not alike.
    found["combed_levels"] = float(np.log(np.abs(np.diff(levels)).sum() + _TINY_SHARE))
    return found
