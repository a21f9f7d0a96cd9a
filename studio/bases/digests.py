"""SHA-256 of weight files, remembered: hashing gigabytes anew for every command would be felt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from studio import atomic
from studio.user_cache import cache_folder

CHUNK_BYTES = 1 << 20


def weights_digest(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 over the files' digests and their names below ``folder``, in sorted order."""
    lines = sorted(f"{file.relative_to(folder).as_posix()} {file_digest(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal; remembered while path, size and mtime are the same."""
    remembered = cache_folder() / "digests" / _cache_key(path)
    # The cache only saves time: where it cannot be read or written, the file is hashed again.
    with suppress(OSError, UnicodeDecodeError):
        known = remembered.read_text("ascii")
        if re.fullmatch("[0-9a-f]{64}", known):
            return known
    digest = _hash(path)
    with suppress(OSError):
        atomic.write_text(remembered, digest)
    return digest


def _cache_key(path: Path) -> str:
    stat = path.stat()
    what = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
