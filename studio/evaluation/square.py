"""Pictures as the measures see them: square, of one size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageOps

from studio.curation.decode import open_rgb


def square(picture: Image.Image, side_px: int) -> Image.Image:
    """The middle of a picture, as a square RGB picture of ``side_px``."""
    size = (side_px, side_px)
    return ImageOps.fit(picture.convert("RGB"), size, method=Image.Resampling.LANCZOS)


def read_squares(paths: Iterable[Path], side_px: int) -> list[Image.Image]:
    """Picture files, decoded as for training and cut to squares.

    Raises:
        DatasetError: a file that cannot be decoded.
    """
    return [square(open_rgb(path), side_px) for path in paths]
