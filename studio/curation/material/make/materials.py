"""The materials by name, and the treatment that gives a photograph each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from studio.curation.material.make import digital
from studio.curation.material.make.compressed import jpeg_low, webp_low
from studio.curation.material.make.drawing import drawing
from studio.curation.material.make.film import (
    BLACK_AND_WHITE,
    DISPOSABLE,
    FINE,
    PUSHED,
    STANDARD,
    Stock,
    film,
)
from studio.curation.material.make.light import Picture
from studio.curation.material.make.overlay import overlay_grain
from studio.curation.material.make.printed import halftone
from studio.curation.material.make.smoothed import over_smoothed
from studio.curation.material.make.upscaled import upscaled

Treatment = Callable[[Picture, np.random.Generator], Picture]


def _on(*stocks: Stock) -> Treatment:
    """Film of one of ``stocks``."""

    def treated(picture: Picture, rng: np.random.Generator) -> Picture:
        return film(picture, stocks[rng.integers(len(stocks))], rng)

    return treated


MATERIALS: Mapping[str, Treatment] = MappingProxyType(
    {
        "digital_clean": digital.clean,
        "digital_noisy": digital.noisy,
        "digital_processed": digital.processed,
        "film_fine": _on(FINE),
        "film_standard": _on(STANDARD),
        "film_pushed": _on(PUSHED, PUSHED, DISPOSABLE),
        "film_bw": _on(BLACK_AND_WHITE),
        "overlay_grain": overlay_grain,
        "jpeg_low": jpeg_low,
        "webp_low": webp_low,
        "upscaled": upscaled,
        "over_smoothed": over_smoothed,
        "drawing": drawing,
        "halftone": halftone,
    }
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
