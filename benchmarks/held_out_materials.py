"""Materials to test a detector with: by name, as in the classifier's making, but made otherwise.

The names that both sides have mean the same thing. Film of `av1_grain_*` needs Pillow with AVIF and
is missing from `MATERIALS` without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from held_out import av1_grain, camera, damage, drawn
from held_out import film as stocks
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (height, width, 3), RGB
Treatment = Callable[[Picture, np.random.Generator], Picture]


def _on(emulsion: stocks.Emulsion) -> Treatment:
    return lambda picture, rng: stocks.film(picture, emulsion, rng)


def _av1(levels: float) -> Treatment:
    return lambda picture, rng: av1_grain.av1_grain(picture, levels, rng)


_AV1 = {
    "av1_grain_faint": _av1(2.0),
    "av1_grain_medium": _av1(5.0),
    "av1_grain_strong": _av1(10.0),
}

MATERIALS: Mapping[str, Treatment] = MappingProxyType(
    {
        "digital_clean": camera.as_it_is,
        "digital_noisy": camera.noisy,
        "digital_processed": camera.processed,
        "film_fine": _on(stocks.FINE),
        "film_standard": _on(stocks.STANDARD),
        "film_pushed": _on(stocks.PUSHED),
        "film_disposable": _on(stocks.DISPOSABLE),
        "film_bw": _on(stocks.BLACK_AND_WHITE),
        "overlay_grain": damage.overlay_grain,
        "jpeg_low": damage.jpeg_low,
        "jpeg_q30": damage.jpeg_q30,
        "webp_low": damage.webp_low,
        "upscaled": damage.upscaled,
        "upscaled_2x": damage.upscaled_2x,
        "over_smoothed": damage.over_smoothed,
        "drawing": drawn.drawing,
        "halftone": damage.halftone,
    }
    | (_AV1 if av1_grain.available() else {})
)


def apply(material: str, picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` as it would be in ``material``; same shape, and the same for the same ``rng``.

    Args:
        material: a key of `MATERIALS`.
        picture: (height, width, 3), RGB, a clean digital photograph.

    Raises:
        KeyError: no such material.
    """
    return MATERIALS[material](picture, rng)
