"""Names of files in an archive: which are wanted, and that none leads out of the folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from studio.curation.scan import EXTENSIONS, JUNK_FOLDERS, METADATA_NAMES
from studio.errors import DatasetError

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def safe_name(name: str, title: str) -> str:
    """A name below the folder, with forward slashes; what is no UTF-8 is read as Latin-1.

    Args:
        name: as the archive has it; of bytes that are no UTF-8 the surrogates that Python makes.
        title: the archive, in messages.

    Raises:
        DatasetError: it leads elsewhere: absolute, or with ``..`` in it.
    """
    name = _legible(name)
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in parts:
        raise DatasetError(
            f"{title} holds {name}, which would be written outside its folder; "
            "such an archive is a trap: do not use it"
        )
    return "/".join(parts)


def is_wanted(name: str) -> bool:
    """Whether a folder's scan would read a file of that name: pictures, captions, metadata."""
    path = PurePosixPath(name)
    if any(part.startswith(".") or part in JUNK_FOLDERS for part in path.parts):
        return False
    return path.suffix.lower() in (*EXTENSIONS, ".txt") or path.name.lower() in METADATA_NAMES


def is_picture(name: str) -> bool:
    """Whether a file of that name is read as a picture."""
    return PurePosixPath(name).suffix.lower() in EXTENSIONS


def _legible(name: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    return name
