"""Grain by the AV1 decoder's film-grain synthesis: owed to neither of the two film simulators.

The encoder is given a grain table and writes it beside the picture; whoever decodes makes the
grain. An autoregressive filter shapes it, a curve of the picture's brightness scales it (Norkin and
Birkbeck, "Film Grain Synthesis for AV1", 2018). Needs Pillow's AVIF support with libaom.
"""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

Picture = NDArray[np.uint8]  # (height, width, 3), RGB

_LAG = 3
_SCALE_PER_LEVEL = 12.0  # measured: of the scaling curve, a level of standard deviation


def available() -> bool:
    """Whether Pillow can write AVIF."""
    return features.check("avif")


def av1_grain(picture: Picture, levels: float, rng: np.random.Generator) -> Picture:
    """``picture`` with synthetic grain of about ``levels`` of 255 in mid-tones; same shape."""
    buffer = io.BytesIO()
    with TemporaryDirectory() as folder:
        table = Path(folder) / "grain.tbl"
        table.write_text(_table(levels * rng.uniform(0.8, 1.25), rng), "ascii")
        Image.fromarray(picture).save(
            buffer,
            "AVIF",
            quality=95,
            speed=8,
            subsampling="4:4:4",
            codec="aom",
            advanced={"film-grain-table": str(table)},
        )
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def _table(levels: float, rng: np.random.Generator) -> str:
    """A table of one entry, in the format of aomenc's --film-grain-table."""
    scale = min(255.0, levels * _SCALE_PER_LEVEL)
    curve = [(0, 0.35), (80, 0.9), (140, 1.0), (255, 0.3)]
    luma = " ".join(f"{at} {round(scale * share)}" for at, share in curve)
    chroma = round(scale * rng.uniform(0.2, 0.7))
    coefficients = _coefficients(rng.uniform(0.25, 0.55))
    spread = " ".join(map(str, coefficients))
    return "\n".join(
        (
            "filmgrn1",
            f"E 0 9223372036854775807 1 {rng.integers(1, 65535)} 1",
            f"\tp {_LAG} 7 0 9 0 1 128 192 256 128 192 256",
            f"\tsY {len(curve)} {luma}",
            f"\tsCb 2 0 {chroma} 255 {chroma}",
            f"\tsCr 2 0 {chroma} 255 {chroma}",
            f"\tcY {spread}",
            f"\tcCb {spread} 0",
            f"\tcCr {spread} 0",
            "",
        )
    )


def _coefficients(alike: float) -> list[int]:
    """Of the autoregressive filter in its 24 places, in 128ths: grain alike to its neighbours."""
    places = [(y, x) for y in range(-_LAG, 1) for x in range(-_LAG, _LAG + 1) if (y, x) < (0, 0)]
    near = {(0, -1): 1.0, (-1, 0): 1.0, (-1, -1): -0.4, (0, -2): -0.2, (-2, 0): -0.2}
    return [round(128 * alike * near.get(place, 0.0)) for place in places]
