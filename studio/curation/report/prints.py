"""Pictures as the page shows them: small prints and crops as data URLs, so that one file holds all."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from studio.curation.decode import UnreadableError, opened
from studio.curation.manifest import CuratedSet, Picture
from studio.curation.report.crops import evidence_box, grain_box
from studio.curation.view import resized

PRINT_PX = 224  # longer side
_MAX_WORKERS = 4  # each holds a whole picture
_PRINT_QUALITY, _CROP_QUALITY = 72, 92


@dataclass(frozen=True)
class Prints:
    """Data URLs of one picture; empty where there is none.

    Attributes:
        whole: small.
        crops: what its findings point at, pixel by pixel, by check.
        grain: its calmest part, pixel by pixel and without loss.
    """

    whole: str = ""
    crops: Mapping[str, str] = field(default_factory=dict)
    grain: str = ""


def develop(
    curated: CuratedSet, pictures: Sequence[Picture], with_grain: frozenset[str]
) -> dict[str, Prints]:
    """Prints of some pictures, each file decoded once; those that have gone or changed since stay empty.

    Args:
        with_grain: names of those whose grain is to be shown.
    """

    def prints(picture: Picture) -> Prints:
        return _prints(picture, curated.path_of(picture), grain=picture.name in with_grain)

    pool = ThreadPoolExecutor(min(_MAX_WORKERS, os.cpu_count() or 1))
    # Pillow warns of odd files; the checks have spoken of them already.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = pool.map(prints, pictures)
            return {p.name: print_ for p, print_ in zip(pictures, made, strict=True)}
        finally:
            # Ctrl-C must not wait for the pictures still in line.
            pool.shutdown(cancel_futures=True)


def _prints(picture: Picture, path: Path, *, grain: bool) -> Prints:
    size = (picture.width_px, picture.height_px)
    boxes = {f.check: box for f in picture.findings if (box := evidence_box(f, size))}
    if max(size) <= PRINT_PX:
        boxes = {}  # the print shows every pixel already
    try:
        image = _image(picture, path, reduced=not boxes and not grain)
    except UnreadableError:
        return Prints()
    return Prints(
        whole=_url(resized(image, min(1.0, PRINT_PX / max(image.size))), quality=_PRINT_QUALITY),
        crops={c: _url(image.crop(box), quality=_CROP_QUALITY) for c, box in boxes.items()},
        grain=_url(image.crop(grain_box(image)), lossless=True) if grain else "",
    )


def _image(picture: Picture, path: Path, *, reduced: bool) -> Image.Image:
    """The picture that was judged; ``reduced``: a JPEG at down to an eighth, in a fraction of the time."""
    with opened(path) as file:
        if file.digest != picture.digest:
            raise UnreadableError("it is another picture now", file.digest)
        if reduced:
            file.header.draft(None, (PRINT_PX, PRINT_PX))
        return file.decode().image


def _url(image: Image.Image, **encoding: int | bool) -> str:
    file = io.BytesIO()
    image.save(file, "WEBP", **encoding)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


class Paper:
    """How many bytes of pictures the page may still take; what no longer fits is not shown."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes

    def take(self, url: str) -> str:
        """``url``, or nothing once the paper is used up."""
        if len(url) > self._left:
            self._left = 0
            return ""
        self._left -= len(url)
        return url
