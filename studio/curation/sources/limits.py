"""What a source may ask of this machine. Beyond it, one clear line before anything is filled up."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from studio.errors import DatasetError


@dataclass(frozen=True)
class Limits:
    """Far above what a set of pictures needs, far below what a trap asks for.

    Attributes:
        files: in one source, captions included.
        file_bytes: of one file; 100 megapixels of four 16-bit channels are 800 MB.
        total_bytes: unpacked.
        ratio: unpacked to packed, from ``ratio_from_bytes`` on. Pictures are packed already.
        spare_bytes: left free on the disk.
    """

    files: int = 200_000
    file_bytes: int = 1 << 30
    total_bytes: int = 1 << 39
    ratio: int = 200
    ratio_from_bytes: int = 1 << 30
    spare_bytes: int = 1 << 28


LIMITS = Limits()


class Tally:
    """Counts what a source unpacks to, and refuses it as soon as that is too much.

    Args:
        title: the source, in messages.
        packed_bytes: its size as it lies there; None where that is not known.
    """

    def __init__(self, title: str, packed_bytes: int | None) -> None:
        self._title, self._packed_bytes = title, packed_bytes
        self.files = 0
        self.bytes = 0

    def count(self, size_bytes: int, *, name: str) -> None:
        """One more file, which is about to be unpacked.

        Raises:
            DatasetError: it is too large, or with it the whole is.
        """
        self.files += 1
        self.bytes += size_bytes
        if size_bytes > LIMITS.file_bytes:
            raise DatasetError(
                f"{self._title}: {name} is {in_words(size_bytes)}, more than any picture "
                f"({in_words(LIMITS.file_bytes)}); leave it out"
            )
        if self.files > LIMITS.files:
            raise DatasetError(
                f"{self._title} holds more than {LIMITS.files} files; give it in parts"
            )
        self.expect(0)

    def expect(self, size_bytes: int) -> None:
        """So much more is to come, as the source says itself.

        Raises:
            DatasetError: it is too much.
        """
        unpacked = self.bytes + size_bytes
        if unpacked > LIMITS.total_bytes:
            raise DatasetError(
                f"{self._title} unpacks to more than {in_words(LIMITS.total_bytes)}; give it in parts"
            )
        if self._packed_bytes is None or unpacked <= LIMITS.ratio_from_bytes:
            return
        if unpacked > LIMITS.ratio * self._packed_bytes:
            raise DatasetError(
                f"{self._title} is {in_words(self._packed_bytes)} and unpacks to more than "
                f"{LIMITS.ratio} times that: such an archive is a trap, not a set of pictures"
            )


def require_space(folder: Path, needed_bytes: int, title: str) -> None:
    """Refuse a source that does not fit on the disk of ``folder``, before any of it is written.

    Raises:
        DatasetError: with both sizes.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes + LIMITS.spare_bytes > free:
        raise DatasetError(
            f"{title} needs {in_words(needed_bytes)} unpacked, but {folder} has "
            f"{in_words(free)} free; make room, or set XDG_CACHE_HOME to a larger disk"
        )


def in_words(size_bytes: int) -> str:
    """``1.5 GB``, ``20 MB``, ``7 kB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{f'{size_bytes / factor:.1f}'.removesuffix('.0')} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"
