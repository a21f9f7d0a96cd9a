"""Pictures that come in through the browser: bounded, under names of their own."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from studio.curation.scan import EXTENSIONS
from studio.curation.sources.entry_names import is_picture, is_wanted
from studio.curation.sources.given import TAR_ENDINGS
from studio.curation.sources.limits import LIMITS, in_words
from studio.errors import DatasetError
from studio.recipe.schema import RESERVED_NAMES

MAX_UPLOAD_MB = 2000
"""Of one file, zip archives too."""

MAX_FILES = 5000
"""At once, captions included."""

MAX_TOTAL_BYTES = 4 << 30
MAX_PICTURE_BYTES = 200_000_000
MAX_CAPTION_BYTES = 1 << 20

ARCHIVES = (".zip", *TAR_ENDINGS)
PICTURES = "pictures"
_LONGEST_NAME = 200  # bytes; file systems take 255, and temporary names need some
_FORBIDDEN = '<>:"|?*'  # some file systems have no such names
_KINDS = f"pictures ({' '.join(EXTENSIONS)}), captions (.txt) and archives ({' '.join(ARCHIVES)})"


class Upload(Protocol):
    """A file as the browser sent it; Streamlit's ``UploadedFile`` is one."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def read(self, size: int | None = -1, /) -> bytes: ...


def receive(files: Sequence[Upload], folder: Path) -> str:
    """Write them below a folder that is nobody's yet; all are looked at before any is written.

    Returns:
        What the set's source is called there: ``pictures``, or the archive's name.

    Raises:
        DatasetError: there are none or too many, one is too large or of another kind, two are of one
            name, or the disk has no room.
    """
    named = _named(files)
    _require_bounds(named)
    _require_room(folder, sum(file.size for file in named.values()))
    archive = next((name for name in named if _is_archive(name)), None)
    if archive is None:
        (folder / PICTURES).mkdir()
    for name, file in named.items():
        _write(file, folder / name if archive else folder / PICTURES / name)
    return archive or PICTURES


def safe_file_name(name: str) -> str:
    """The last part of a name, without what a file's name must not hold; empty for hidden files.

    A browser sends whatever it is told to: paths of either kind, control characters, a device's name.
    """
    legible = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isprintable() and c not in _FORBIDDEN else "_" for c in legible)
    kept = kept.strip(" ")
    if kept.startswith(".") or not kept.strip("."):
        return ""
    stem, dot, ending = kept.rpartition(".")
    if kept.partition(".")[0].strip().lower() in RESERVED_NAMES:
        stem = f"_{stem}"
    room = _LONGEST_NAME - len(ending.encode())
    return _cut(stem, max(room, 1)) + dot + _cut(ending, _LONGEST_NAME)


def _named(files: Sequence[Upload]) -> dict[str, Upload]:
    """By the names that they get. Hidden files, which systems put beside pictures, are left out."""
    named: dict[str, Upload] = {}
    taken: set[str] = set()
    for file in files:
        name = safe_file_name(file.name)
        if not name:
            continue
        if not _is_archive(name) and not is_wanted(name):
            raise DatasetError(f"{name} is of another kind; a set is made of {_KINDS}")
        if name.casefold() in taken:
            raise DatasetError(
                f"two files are called {name}; rename one, or pack the folders into a .zip"
            )
        taken.add(name.casefold())
        named[name] = file
    return named


def _require_bounds(named: dict[str, Upload]) -> None:
    archives = [name for name in named if _is_archive(name)]
    if archives and len(named) > 1:
        raise DatasetError(f"{archives[0]} came with other files; give one archive, or pictures")
    if not archives and not any(map(is_picture, named)):
        raise DatasetError(f"there is no picture among the files; a set is made of {_KINDS}")
    if len(named) > MAX_FILES:
        raise DatasetError(
            f"{len(named)} files are more than the {MAX_FILES} that may come in at once; "
            "pack them into a .zip, or give a folder on this computer"
        )
    for name, file in named.items():
        if file.size > _most_bytes(name):
            raise DatasetError(
                f"{name} has {in_words(file.size)}, more than the {in_words(_most_bytes(name))} "
                "allowed; leave it out, or give a folder on this computer"
            )
    total = sum(file.size for file in named.values())
    if total > MAX_TOTAL_BYTES:
        raise DatasetError(
            f"{in_words(total)} are more than the {in_words(MAX_TOTAL_BYTES)} that may come in at "
            "once; give a folder on this computer"
        )


def _require_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed_bytes + LIMITS.spare_bytes > free:
        raise DatasetError(
            f"the files take {in_words(needed_bytes)}, but there are {in_words(free)} free where the "
            "studio keeps them; make room, or give a folder on this computer"
        )


def _most_bytes(name: str) -> int:
    if _is_archive(name):
        return MAX_UPLOAD_MB * 1_000_000
    return MAX_PICTURE_BYTES if is_picture(name) else MAX_CAPTION_BYTES


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _write(file: Upload, path: Path) -> None:
    file.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(cast("BinaryIO", file), target, length=1 << 20)


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode("utf-8", "ignore")
