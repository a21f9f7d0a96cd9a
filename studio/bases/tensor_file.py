"""What a safetensors file says of itself, read and checked without torch.

Layout: eight bytes with the header's length (little endian), the header (JSON: each tensor's dtype,
shape and place, and ``__metadata__``), then the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import stat
import struct
from dataclasses import dataclass
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 8),
}
_WEB_PAGE = "it is a web page; log in where it came from, and download it again"
# What a failed download leaves under the file's name.
_MISTAKEN = {
    b"<!doctype": _WEB_PAGE,
    b"<html": _WEB_PAGE,
    b"version https://git-lfs": "it is a Git LFS pointer, {size} bytes; run: git lfs pull",
}
LONGEST_MISTAKEN = 64  # bytes to look at, white space before them included
_WHOLE_NUMBERS = frozenset({int})  # not bool, which is an int by descent


class TensorFileError(ValueError):
    """Not a whole safetensors file; the message is a clause that says why."""

    @property
    def with_remedy(self) -> str:
        """The message, and what to do where it does not say."""
        return str(self) if ";" in str(self) else f"{self}; fetch it anew"


class TensorPlace(NamedTuple):
    """One tensor's entry: ``start`` and ``end`` are offsets in bytes from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class TensorFileLayout:
    """All entries of a file, in the header's order, and its metadata."""

    tensors: dict[str, TensorPlace]
    metadata: dict[str, str]
    data_start: int


def read_layout(path: Path, max_header_bytes: int = MAX_HEADER_BYTES) -> TensorFileLayout:
    """Read the header and check it against the file's size; tensor bytes are not read.

    Raises:
        TensorFileError: it is no file, empty, truncated, pickled, a web page, or its header is
            oversized, broken or contradicts itself.
        OSError: the file cannot be opened.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # whoever opens a pipe waits for ever
        raise TensorFileError("it is no file")
    size = status.st_size
    with path.open("rb") as file:
        length = _header_length(file.read(LONGEST_MISTAKEN), size, max_header_bytes)
        file.seek(8)
        header = _parse(file.read(length))
    metadata = _metadata(header.pop("__metadata__", {}))
    tensors = _places(header, 8 + length)
    _check_places(tensors, 8 + length, size)
    return TensorFileLayout(tensors, metadata, 8 + length)


def mistaken(start: bytes, size: int) -> str:
    """What a file is that begins so, where a download has failed; a clause, or nothing."""
    text = start.lstrip().lower()
    found = (what for beginning, what in _MISTAKEN.items() if text.startswith(beginning))
    return next(found, "").format(size=size)


def _header_length(start: bytes, size: int, most: int) -> int:
    if size == 0:
        raise TensorFileError("it is empty")
    if len(start) < 8:
        raise TensorFileError(f"it is truncated: {size} bytes")
    (length,) = struct.unpack_from("<Q", start)
    if length > most:
        # Only here: a sane length may by chance begin with the same bytes as a pickle.
        if start.startswith((b"PK", b"\x80")):
            raise TensorFileError("it is a pickled file, which can run code when opened")
        if what := mistaken(start, size):
            raise TensorFileError(what)
        raise TensorFileError(f"its header claims {length:,} bytes, more than {most:,}")
    if 8 + length > size:
        raise TensorFileError(f"it is truncated: {size:,} bytes, the header alone is {length:,}")
    return int(length)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise TensorFileError("it does not begin with a safetensors header") from error
    if not isinstance(header, dict):
        raise TensorFileError("its header is not a JSON object")
    return header


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise TensorFileError("its metadata are not a table of strings")
    return found


def _places(header: dict[str, Any], data_start: int) -> dict[str, TensorPlace]:
    """The entries, each checked. Kept short, for a folder of LoRAs has a million of them."""
    places: dict[str, TensorPlace] = {}
    for name, entry in header.items():
        try:
            dtype, shape = entry["dtype"], tuple(entry["shape"])
            start, end = entry["data_offsets"]
            bits = BITS[dtype] * prod(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise TensorFileError(f"its header has a broken entry for {name!r}") from error
        numbers = (*shape, start, end)
        whole = _WHOLE_NUMBERS.issuperset(map(type, numbers)) and min(numbers) >= 0
        if not whole or (end - start) * 8 != bits:
            raise TensorFileError(f"its header contradicts itself about {name!r}")
        places[name] = TensorPlace(dtype, shape, data_start + start, data_start + end)
    return places


def _check_places(tensors: dict[str, TensorPlace], data_start: int, size: int) -> None:
    """The tensors fill the file from the header's end to its own, each byte once."""
    position = data_start
    for place in sorted(tensors.values(), key=attrgetter("start", "end")):
        if place.start != position:
            raise TensorFileError("its tensors overlap or leave gaps")
        position = place.end
    if position > size:
        raise TensorFileError(f"it is truncated: {size:,} of {position:,} bytes")
    if position < size:
        raise TensorFileError(f"it has {size - position:,} bytes too many")
