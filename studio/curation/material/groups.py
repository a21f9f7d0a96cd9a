"""Which of the classifier's materials make one set together, and what people call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Group:
    """Materials that nobody minds beside each other.

    Attributes:
        materials: names of the classifier.
        words: for "5 ...".
        one: for "looks like ...".
    """

    materials: tuple[str, ...]
    words: str
    one: str


GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        # Cameras differ more from each other than fine film from a camera: all of them are one group.
        "digital": Group(
            ("digital_clean", "digital_noisy", "digital_processed"),
            "digital photographs",
            "a digital photograph",
        ),
        "film": Group(
            ("film_fine", "film_standard", "film_pushed", "film_bw"),
            "photographs on film",
            "a photograph on film",
        ),
        "overlay_grain": Group(
            ("overlay_grain",),
            "pictures with grain laid over them",
            "a picture with grain laid over it",
        ),
        "compressed": Group(
            ("jpeg_low", "webp_low"), "heavily compressed pictures", "a heavily compressed picture"
        ),
        "upscaled": Group(("upscaled",), "enlarged pictures", "an enlarged picture"),
        "over_smoothed": Group(
            ("over_smoothed",), "smoothed or denoised pictures", "a smoothed or denoised picture"
        ),
        "drawing": Group(("drawing",), "drawings", "a drawing"),
        "halftone": Group(("halftone",), "scans of printed pages", "a scan of a printed page"),
    }
)
