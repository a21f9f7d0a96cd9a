"""Picture files to RGB, safely: one way of decoding for curation, caches and reports."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from studio.curation.colours import rgb_and_alpha
from studio.curation.file_end import require_end
from studio.curation.file_facts import FileFacts, file_facts, orientation
from studio.curation.file_kind import kind_of
from studio.curation.file_stamp import FileStamp
from studio.errors import DatasetError

# Goes up with every change of what is read, or read differently.
DECODES_SINCE = 2
MAX_MEGAPIXELS = 100
# Uncompressed, 100 megapixels of 16 bits a channel are 800 MB; hashing a terabyte takes an hour.
MAX_FILE_BYTES = 2 << 30
# No others: a .png that is really PostScript would start an interpreter.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
# As measured, checks included: a decoded pixel takes 4, and WebP's decoder holds three more of each.
_USUAL_BYTES_PER_PIXEL = 11
_BYTES_PER_PIXEL = {"WEBP": 16}
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
        digest: SHA-256 of its bytes; empty where the fault is not theirs, and another try may end
            better: no permission, a broken disk, want of memory.
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


@dataclass(frozen=True)
class PictureFile:
    """An open file whose bytes were hashed and whose header was read; `decode` gives the pixels.

    Attributes:
        opened_ns: when, in nanoseconds since 1970.
    """

    opened_ns: int
    digest: str
    stamp: FileStamp
    file: BinaryIO
    header: Image.Image

    @property
    def memory_bytes(self) -> int:
        """What decoding it and measuring it by all checks takes at most, about."""
        of_a_pixel = _BYTES_PER_PIXEL.get(self.header.format or "", _USUAL_BYTES_PER_PIXEL)
        return of_a_pixel * self.header.width * self.header.height

    @property
    def lasting_stamp(self) -> FileStamp | None:
        """The stamp, unless the file is so new that it may yet change under it."""
        return None if self.stamp.was_fresh(self.opened_ns) else self.stamp

    def decode(self) -> Decoded:
        """The first frame. Once only: it takes the place of the header.

        Raises:
            UnreadableError: the file is damaged, or was changed since it was hashed.
        """
        with _reasons(self.digest):
            require_end(self.file, self.header)
            # A JPEG of several parts (MPO, from phones and 3D cameras) is a still picture.
            still = self.header.format == "MPO"
            frames = 1 if still else getattr(self.header, "n_frames", 1)
            facts = file_facts(self.header)
            self.header.load()
            method = _TRANSPOSITIONS.get(orientation(self.header))
            upright = self.header if method is None else self.header.transpose(method)
            rgb, alpha = rgb_and_alpha(upright)
        if FileStamp.of(os.fstat(self.file.fileno())) != self.stamp:
            raise UnreadableError("the file was changed while it was read")
        return Decoded(rgb, self.digest, frames, facts, alpha)


def open_rgb(path: Path, digest: str = "") -> Image.Image:
    """The picture as an upright RGB image: what curation judged and what training learns from.

    EXIF orientation is applied, transparency laid on white, CMYK, palette and 16-bit pictures
    converted, of animations the first frame taken.

    Args:
        digest: what the file had when it was judged; empty takes it as it is now.

    Raises:
        DatasetError: the file is missing, damaged, no picture, larger than 100 megapixels, or no
            longer what it was.
    """
    found = _opened(path)
    if digest and found.digest != digest:
        raise DatasetError(f"{path} was changed after it was looked at; run the command again")
    return found.image


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
    with opened(path) as picture:
        return picture.decode()


@contextmanager
def opened(path: Path) -> Iterator[PictureFile]:
    """The file, hashed and with its header read, for as long as the ``with`` block lasts.

    Raises:
        UnreadableError: with the reason in a few words.
    """
    with _regular_file(path) as file:
        opened_ns = time.time_ns()
        try:
            stamp = FileStamp.of(os.fstat(file.fileno()))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
        except OSError as error:
            raise _not_read(error) from error
        if stamp.size == 0:
            raise UnreadableError("the file is empty", digest)
        with _reasons(digest):
            header = Image.open(file, formats=_FORMATS)
        with header:
            _refuse_bomb(header.size, digest)
            yield PictureFile(opened_ns, digest, stamp, file, header)


@contextmanager
def _regular_file(path: Path) -> Iterator[BufferedReader]:
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - closed below
    except OSError as error:
        raise _not_read(error) from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(f"it is {kind_of(status.st_mode)}, no file")
        if status.st_size > MAX_FILE_BYTES:
            gigabytes, most = status.st_size / 2**30, MAX_FILE_BYTES >> 30
            raise UnreadableError(f"the file has {gigabytes:.0f} GB, more than the {most} allowed")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """`os.open`, which would otherwise wait for someone to write into a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _not_read(error: OSError) -> UnreadableError:
    return UnreadableError(f"the file cannot be read ({error.strerror or error})")


@contextmanager
def _reasons(digest: str) -> Iterator[None]:
    """Whatever a decoder raises, as an `UnreadableError`."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise UnreadableError(f"more than {MAX_MEGAPIXELS} megapixels", digest) from error
    except UnidentifiedImageError as error:
        raise UnreadableError("the content is no picture that can be read", digest) from error
    except MemoryError as error:
        raise UnreadableError("it takes more memory than there is") from error
    # Damaged files make decoders raise almost anything (struct.error, IndexError, SyntaxError …);
    # one of them must not end the curation of a thousand good ones.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _not_read(error) from error
        what = str(error) or type(error).__name__
        raise UnreadableError(f"damaged or truncated ({what})", digest) from error


def _refuse_bomb(size: tuple[int, int], digest: str) -> None:
    """From the header alone, before memory for the pixels is taken."""
    megapixels = size[0] * size[1] / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise UnreadableError(
            f"{size[0]} x {size[1]} px are {megapixels:.0f} megapixels, "
            f"more than the {MAX_MEGAPIXELS} allowed",
            digest,
        )
