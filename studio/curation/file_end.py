"""Whether a picture's file goes on to its end.

Decoders are content once they have the pixels, and some make up what they lack. But a file that was
cut off, by a broken download or a full disk, may lack more than one sees.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

_CHUNK_BYTES = 1 << 20
_CUT = "the end of the file is missing"


def require_end(file: BinaryIO, header: Image.Image) -> None:
    """Look for the end that the file's format asks for.

    Args:
        header: the file as Pillow opened it, not yet loaded. Both are left where loading finds them.

    Raises:
        ValueError: the end is missing; or whatever Pillow raises of a damaged file.
    """
    check = _CHECKS.get(header.format or "")
    if check is None:
        return
    position = file.tell()
    if not check(file, header):
        raise ValueError(_CUT)
    file.seek(position)


def _png(file: BinaryIO, _header: Image.Image) -> bool:
    """All checksums right, and the last chunk whole."""
    file.seek(0)
    with Image.open(file, formats=("PNG",)) as again:
        again.verify()
    return len(file.read(4)) == 4  # the last chunk's checksum, which nobody reads


def _jpeg(file: BinaryIO, _header: Image.Image) -> bool:
    """An end mark behind the first scan. Phones put films behind it, so it need not come last."""
    file.seek(_first_scan(file))
    last = b""
    while chunk := file.read(_CHUNK_BYTES):
        if b"\xff\xd9" in last + chunk:
            return True
        last = chunk[-1:]
    return False


def _first_scan(file: BinaryIO) -> int:
    """Where it begins: the segments before it may hold thumbnails with end marks of their own."""
    position = 2
    while True:
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return position
        # 0xFF may be repeated before a segment's kind.
        position += 1 if head[1] == 0xFF else 2 + int.from_bytes(head[2:], "big")


def _gif(file: BinaryIO, _header: Image.Image) -> bool:
    """Blocks to the very trailer; what is no block is passed over, as viewers do."""
    file.seek(10)
    _skip_palette(file, file.read(1))
    file.seek(2, os.SEEK_CUR)
    while kind := file.read(1):
        if kind == b";":
            return True
        if kind == b",":
            file.seek(8, os.SEEK_CUR)
            _skip_palette(file, file.read(1))
        if kind in b",!":
            file.seek(1, os.SEEK_CUR)
            while size := file.read(1)[:1].strip(b"\0"):
                file.seek(size[0], os.SEEK_CUR)
    return False


def _skip_palette(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << (flags[0] & 7) + 1, os.SEEK_CUR)


def _tiff(file: BinaryIO, header: Image.Image) -> bool:
    """Every page's strips or tiles inside of the file."""
    size = file.seek(0, os.SEEK_END)
    for page in range(getattr(header, "n_frames", 1)):
        header.seek(page)
        tags = getattr(header, "tag_v2", {})
        for offsets, counts in ((273, 279), (324, 325)):
            pairs = zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
            if any(offset + count > size for offset, count in pairs):
                return False
    header.seek(0)
    return True


def _bmp(file: BinaryIO, _header: Image.Image) -> bool:
    """As many bytes as a compressed picture says to have; of others, Pillow asks for all."""
    file.seek(10)
    fields = file.read(28)
    if len(fields) < 28:
        return True
    start, header_bytes, compression, count = struct.unpack("<II12xII", fields)
    is_run_length = header_bytes >= 40 and compression in (1, 2)
    return not is_run_length or start + count <= file.seek(0, os.SEEK_END)


_CHECKS: dict[str, Callable[[BinaryIO, Image.Image], bool]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "GIF": _gif,
    "TIFF": _tiff,
    "BMP": _bmp,
}
