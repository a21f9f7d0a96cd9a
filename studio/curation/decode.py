"""Picture files to RGB, safely: one function that curation, caches and reports all decode with."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from studio.curation.file_facts import FileFacts, file_facts
from studio.errors import DatasetError

MAX_MEGAPIXELS = 100
# No others: a .png that is really PostScript would start an interpreter.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
_ORIENTATION_TAG = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableError(DatasetError):
    """A file that holds no whole picture.

    Attributes:
        digest: SHA-256 of its bytes; empty where not even those could be read.
    """

    def __init__(self, reason: str, digest: str = "") -> None:
        self.digest = digest
        super().__init__(reason)


@dataclass(frozen=True)
class Decoded:
    """A picture in memory.

    Attributes:
        image: mode RGB, upright, transparency laid on white.
        digest: SHA-256 of the file's bytes.
        frames: how many the file holds; only the first is used.
        facts: what the file says of itself.
        alpha: mode L, upright, 255 where the picture is solid; None where all of it is.
    """

    image: Image.Image
    digest: str
    frames: int
    facts: FileFacts
    alpha: Image.Image | None = None


def open_rgb(path: Path) -> Image.Image:
    """The picture as an upright RGB image: what curation judged and what training learns from.

    EXIF orientation is applied, transparency laid on white, CMYK, palette and 16-bit pictures
    converted, of animations the first frame taken.

    Raises:
        DatasetError: the file is missing, damaged, no picture, or larger than 100 megapixels.
    """
    return _opened(path).image


def open_alpha(path: Path) -> Image.Image | None:
    """What `open_rgb` laid on white, as a gray picture: 255 where solid; None without transparency.

    Raises:
        DatasetError: as `open_rgb`.
    """
    return _opened(path).alpha


def _opened(path: Path) -> Decoded:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode(path)
        except UnreadableError as error:
            raise DatasetError(f"{path} cannot be used: {error}; remove or replace it") from error


def decode(path: Path) -> Decoded:
    """As `open_rgb`, with the digest. Pillow's warnings are the caller's to silence: the filter is
    the whole process's, so that a thread must not switch it.

    Raises:
        UnreadableError: with the reason in a few words.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            return _decode(file, digest)
    except OSError as error:
        raise UnreadableError(f"the file cannot be read ({error.strerror or error})") from error


def _decode(file: BinaryIO, digest: str) -> Decoded:
    if not file.read(1):
        raise UnreadableError("the file is empty", digest)
    file.seek(0)
    try:
        with Image.open(file, formats=_FORMATS) as image:
            _refuse_bomb(image.size, digest)
            # A JPEG of several parts (MPO, from phones and 3D cameras) is a still picture.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            facts = file_facts(image)
            image.load()
            rgb, alpha = _rgb_and_alpha(_upright(image))
            return Decoded(rgb, digest, frames, facts, alpha)
    except UnreadableError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"more than {MAX_MEGAPIXELS} megapixels", digest) from error
    except UnidentifiedImageError as error:
        raise UnreadableError("the content is no picture that can be read", digest) from error
    # Damaged files make decoders raise almost anything (struct.error, IndexError, SyntaxError …);
    # one of them must not end the curation of a thousand good ones.
    except Exception as error:
        raise UnreadableError(f"damaged or truncated ({error})", digest) from error


def _refuse_bomb(size: tuple[int, int], digest: str) -> None:
    """From the header alone, before memory for the pixels is taken."""
    megapixels = size[0] * size[1] / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise UnreadableError(
            f"{size[0]} x {size[1]} px are {megapixels:.0f} megapixels, "
            f"more than the {MAX_MEGAPIXELS} allowed",
            digest,
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    # Camera notes are often broken where the pixels are whole: such a picture is upright.
    except (SyntaxError, ValueError, KeyError, TypeError, OSError):
        return image
    method = _TRANSPOSITIONS.get(orientation)
    return image if method is None else image.transpose(method)


def _rgb_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image).convert("RGB"), image.getchannel("A")
    return image.convert("RGB"), None


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point gray to 8 bits, white staying white."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    brightest = float(values.max())
    steps = [1.0] if image.mode == "F" else []
    white = next((w for w in (*steps, 255.0, 65535.0) if brightest <= w), brightest)
    if image.mode.startswith("I;16"):
        white = 65535.0
    return Image.fromarray((np.clip(values / white, 0, 1) * 255).round().astype(np.uint8))
