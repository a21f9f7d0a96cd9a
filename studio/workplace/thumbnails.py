"""Pictures small enough for a page: as WebP, and kept by content, so that the second look costs nothing."""

from __future__ import annotations

import io
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

from PIL import Image

from studio import atomic
from studio.curation.decode import UnreadableError, opened
from studio.curation.report.crops import grain_box
from studio.curation.view import resized
from studio.user_cache import cache_folder

Look = Literal["small", "large", "grain"]
"""As a tile, as large as a screen, or its calmest part pixel by pixel."""

SMALL_PX, LARGE_PX = 320, 1600
_QUALITY = {"small": 78, "large": 93}
_METHOD = 1  # of 6: a third of the usual time, for files a sixth larger
# A picture of 100 megapixels takes a gigabyte while it is decoded.
_AT_ONCE = threading.BoundedSemaphore(2)


def print_of(path: Path, digest: str, look: Look) -> bytes:
    """The picture as WebP.

    Args:
        digest: SHA-256 of the file when it was judged.

    Raises:
        UnreadableError: the file is gone, damaged, or another picture now.
    """
    if look != "small":
        return _made(path, digest, look)
    kept = cache_folder() / "thumbnails" / digest[:2] / f"{digest}-{SMALL_PX}.webp"
    try:
        return kept.read_bytes()
    except OSError:
        content = _made(path, digest, look)
    with suppress(OSError):  # a full disk costs time only
        atomic.write_bytes(kept, content)
    return content


def _made(path: Path, digest: str, look: Look) -> bytes:
    with _AT_ONCE:
        image = _decoded(path, digest, SMALL_PX if look == "small" else None)
        file = io.BytesIO()
        if look == "grain":
            image.crop(grain_box(image)).save(file, "WEBP", lossless=True)
        else:
            side = SMALL_PX if look == "small" else LARGE_PX
            scaled = resized(image, min(1.0, side / max(image.size)))
            scaled.save(file, "WEBP", quality=_QUALITY[look], method=_METHOD)
    return file.getvalue()


def _decoded(path: Path, digest: str, enough_px: int | None) -> Image.Image:
    with opened(path) as file:
        if file.digest != digest:
            raise UnreadableError("it is another picture now", file.digest)
        if (
            enough_px is not None
        ):  # a JPEG can be read at down to an eighth, in a fraction of the time
            file.header.draft(None, (enough_px, enough_px))
        return file.decode().image
