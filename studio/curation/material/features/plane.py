"""What every group of features looks at: one picture at one scale, and the blocks where it is calm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEAST_SIDE_PX = 64
LARGE_SIDE_PX = 256  # below this, blocks are halved so that there are still some to choose from
_DARKEST, _BRIGHTEST = 16.0, 239.0  # clipped blocks hold no noise, whatever the material
_FLATTEST_SHARE = 0.15
_CALM_SHARE = 0.4
_MOST_BLOCKS = 160  # enough for steady figures, few enough to be quick at any size
_FEWEST_BLOCKS = 6
_COARSE = 4  # structure is what is left of a picture at a quarter of its size


@dataclass(frozen=True)
class Plane:
    """One picture in 8-bit levels.

    Attributes:
        rgb: (height, width, 3), both sides at least `LEAST_SIDE_PX`.
    """

    rgb: NDArray[np.uint8]

    @cached_property
    def luma(self) -> Floats:
        """(height, width), levels 0 to 255, ITU-R BT.601."""
        return np.asarray(cv2.transform(self.rgb.astype(np.float32), _TO_LUMA))

    @property
    def block_px(self) -> int:
        return 16 if min(self.rgb.shape[:2]) >= LARGE_SIDE_PX else 8

    @cached_property
    def calm(self) -> CalmBlocks:
        """The blocks with least structure, where only noise is left to see."""
        side = self.block_px
        rows, columns = (length // side for length in self.rgb.shape[:2])
        whole = self.rgb[: rows * side, : columns * side]
        brightness = cv2.resize(
            cv2.transform(whole, _TO_LUMA), (columns, rows), interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        order = _by_structure(whole, brightness, side // _COARSE)
        flattest = order[: max(_FEWEST_BLOCKS, round(_FLATTEST_SHARE * order.size))]
        others = order[flattest.size : max(_FEWEST_BLOCKS, round(_CALM_SHARE * order.size))]
        chosen = [_evenly(flattest), _evenly(others)]
        index = np.concatenate(chosen)
        places = np.stack(np.divmod(index, columns), axis=1) * side
        flat = np.arange(index.size) < chosen[0].size
        return CalmBlocks(self.rgb, places, side, flat, brightness.ravel()[index])


@dataclass(frozen=True)
class CalmBlocks:
    """A few hundred blocks of a picture side by side, each with a margin for filters to run over.

    Attributes:
        rgb: the whole picture.
        places: (blocks, 2), row and column of each one's first pixel.
        side_px: of the block, without the margin.
        flattest: (blocks,), the stricter choice among them.
        brightness: (blocks,), mean luma.
    """

    rgb: NDArray[np.uint8]
    places: NDArray[np.intp]
    side_px: int
    flattest: NDArray[np.bool_]
    brightness: Floats

    MARGIN_PX = 8

    @cached_property
    def strip(self) -> Floats:
        """(blocks * (side + 2 * margin), side + 2 * margin, 3): all blocks, one below the other."""
        margin = self.MARGIN_PX
        around = cv2.copyMakeBorder(
            self.rgb, margin, margin, margin, margin, cv2.BORDER_REFLECT_101
        )
        reach = self.side_px + 2 * margin
        cut = [around[top : top + reach, left : left + reach] for top, left in self.places]
        return np.concatenate(cut).astype(np.float32)

    def inner(self, strip: Floats, extra_px: int = 0) -> Floats:
        """(blocks, side, side[, channels]): the blocks of a filtered strip without their margins."""
        reach, first = self.side_px + 2 * self.MARGIN_PX, self.MARGIN_PX - extra_px
        last = first + self.side_px + 2 * extra_px
        blocks = strip.reshape(-1, reach, *strip.shape[1:])
        return np.ascontiguousarray(blocks[:, first:last, first:last])


def blurred(values: Floats, sigma_px: float) -> Floats:
    """Gaussian blur with mirrored borders; channels by themselves."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT))


_TO_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)


def _by_structure(whole: NDArray[np.uint8], brightness: Floats, side: int) -> NDArray[np.intp]:
    """Indices of the blocks that are not clipped, least structure first."""
    rows, columns = brightness.shape
    coarse = cv2.resize(whole, (columns * side, rows * side), interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
    coarse = blurred(coarse, 0.8)
    mean, square = (
        cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
        for values in (coarse, coarse**2)
    )
    structure = (square - mean**2).sum(axis=2)
    seen = (brightness > _DARKEST) & (brightness < _BRIGHTEST)
    if seen.sum() < _FEWEST_BLOCKS:
        seen = np.ones_like(seen)
    order = np.argsort(np.where(seen, structure, np.inf), axis=None, kind="stable")
    return np.asarray(order[: int(seen.sum())])


def _evenly(index: NDArray[np.intp]) -> NDArray[np.intp]:
    if index.size <= _MOST_BLOCKS:
        return index
    chosen = np.linspace(0, index.size - 1, _MOST_BLOCKS).round().astype(np.intp)
    return np.asarray(index[chosen])
