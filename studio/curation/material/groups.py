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
        doubt: by how much evidence for the group is divided: above 1 where pictures of other groups
            are often taken for it.
        usual: evidence for the group that sets without it often show.
    """

    materials: tuple[str, ...]
    words: str
    one: str
    doubt: float = 1.0
    usual: float = 0.0


_CAMERA = ("digital_clean", "digital_noisy", "digital_processed")
_FILM = ("film_fine", "film_standard", "film_pushed", "film_bw")

GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        # Cameras differ more from each other than fine film from a camera: all of them are one group.
        "digital": Group(_CAMERA, "digital photographs", "a digital photograph", doubt=1.5),
        "film": Group(_FILM, "pictures on film", "a picture on film"),
        "overlay_grain": Group(
            ("overlay_grain",), "pictures with grain laid over them", "a picture with grain laid on"
        ),
        "compressed": Group(
            ("jpeg_low", "webp_low"), "heavily compressed pictures", "a heavily compressed picture"
        ),
        "upscaled": Group(
            ("upscaled",), "enlarged pictures", "an enlarged picture", doubt=1.5, usual=3.0
        ),
        "over_smoothed": Group(
            ("over_smoothed",), "smoothed or denoised pictures", "a smoothed or denoised picture"
        ),
        "drawing": Group(("drawing",), "drawings", "a drawing"),
        "halftone": Group(("halftone",), "scans of printed pages", "a scan of a printed page"),
    }
)

# Fine film has so little grain that single pictures of it pass for digital: the more of it a set
# holds, the more evidence that some of it is digital.
DOUBT_IN_FINE_FILM = 1.2
