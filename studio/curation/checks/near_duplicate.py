"""Pictures that show the same thing again: resized, recompressed, retouched or mirrored.

Candidates are pairs close in both perceptual hashes, pHash (Zauner 2010) and dHash, of the picture
or its mirror image. Hashes alone take one drawing on white for another, and a red heart for a blue
one, so that each candidate is verified pixel by pixel on small thumbnails in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_SIDE_PX = 32
_LEVELS = _SIDE_PX * _SIDE_PX * 3
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as the hashes see it
# Copies that were resized, recompressed or brightened reach 0.98 and more, slightly cropped ones
# about 0.95; drawings of one series that differ in a mouth or an eye reach 0.93. A mirrored copy is
# exact or none: clock faces and arrows that point the other way reach 0.97.
_WAYS = {"as it is": 0.94, "mirrored": 0.98}


@dataclass(frozen=True)
class _Sketch:
    """What is compared of a picture.

    Attributes:
        hashes: (2 ways, 2 hashes) of 64 bits: as it is and mirrored, pHash and dHash.
        colours: (32, 32, 3) levels, mean 0 and length 1; zeros for a flat picture.
        gray: (32, 32), likewise. Both must agree: colours alone outvote the lines of a drawing.
    """

    hashes: NDArray[np.uint64]
    colours: NDArray[np.float32]
    gray: NDArray[np.float32]

    def correlation(self, other: _Sketch, *, mirrored: bool) -> float:
        step = -1 if mirrored else 1
        in_colours = (self.colours * other.colours[:, ::step]).sum()
        in_gray = (self.gray * other.gray[:, ::step]).sum()
        return float(min(in_colours, in_gray))


class NearDuplicate(SetCheck):
    """Score: correlation of 32 px thumbnails, after a hash distance within the limit.

    The larger picture stays, at equal size the first by name, a pinned one before both; the others
    are blocked and name it as their twin.
    """

    name = "near_duplicate"

    def __init__(self, max_distance: int) -> None:
        self.max_distance = max_distance

    def measure(self, pixels: Pixels) -> Measurement:
        """The 3072 levels of the small thumbnail, then the hashes' 256 bits."""
        gray = pixels.thumbnail.convert("L")
        small = pixels.thumbnail.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
        bits = [
            hashed.hash.ravel()
            for way in (gray, ImageOps.mirror(gray))
            for hashed in (imagehash.phash(way), imagehash.dhash(way))
        ]
        return np.concatenate([np.asarray(small, np.float32).ravel(), *bits])

    def examine(self, views: Sequence[View]) -> SetFindings:
        ranked = sorted(views, key=lambda v: (not v.pinned, -v.width_px * v.height_px, v.rank))
        sketches = [_sketch(view.measurements[self.name]) for view in ranked]
        hashes = np.array([s.hashes for s in sketches], np.uint64).reshape(-1, 2, 2)
        repeated: dict[str, Finding] = {}
        for index, view in enumerate(ranked):
            earlier = [(i, ranked[i]) for i in self._near(hashes, index)]
            candidates = [
                (i, other)
                for i, other in earlier
                if other.name not in repeated and other.digest != view.digest
            ]
            finding = self._best(sketches, index, candidates)
            if finding:
                repeated[view.name] = finding
        return SetFindings(repeated)

    def _near(self, hashes: NDArray[np.uint64], index: int) -> NDArray[np.intp]:
        """Pictures ranked before ``index`` whose hashes are both near, one way or the other."""
        own = hashes[index, 0]
        distances = np.bitwise_count(hashes[:index] ^ own)  # (earlier, 2 ways, 2 hashes)
        return np.flatnonzero((distances <= self.max_distance).all(axis=2).any(axis=1))

    def _best(
        self,
        sketches: Sequence[_Sketch],
        index: int,
        candidates: Sequence[tuple[int, View]],
    ) -> Finding | None:
        best: Finding | None = None
        for i, candidate in candidates:
            for way, limit in _WAYS.items():
                correlation = sketches[index].correlation(sketches[i], mirrored=way == "mirrored")
                if correlation > max(limit, best.score if best else 0):
                    turned = "" if way == "as it is" else f" {way}"
                    message = f"repeats {candidate.name}{turned} (correlation {correlation:.2f})"
                    best = self.finding(
                        "block", correlation, limit, message, twin=candidate.name, way=way
                    )
        return best


def _sketch(measured: Measurement) -> _Sketch:
    colours = measured[:_LEVELS].reshape(_SIDE_PX, _SIDE_PX, 3)
    packed = np.packbits(measured[_LEVELS:].astype(bool)).view(np.uint64)
    return _Sketch(packed.reshape(2, 2), _unit(colours), _unit(colours @ _LUMA))


def _unit(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = levels - levels.mean()
    length = np.sqrt((centred**2).sum())
    return centred / length if length > 1 else np.zeros_like(centred)
