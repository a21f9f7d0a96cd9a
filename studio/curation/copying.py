"""Copies of a set's pictures in a new folder. The user's own files are only read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio import atomic
from studio.curation.manifest import CuratedSet, Picture
from studio.errors import DatasetError

_CHUNK_BYTES = 1 << 20


@contextmanager
def new_folder(folder: Path, curated: CuratedSet) -> Iterator[Path]:
    """A folder to write into, which takes ``folder``'s place when all is written, or not at all.

    Raises:
        DatasetError: there is something at ``folder``, or it lies among the set's pictures.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DatasetError(f"{folder} is there and not empty; name a new folder")
    if folder.resolve().is_relative_to(curated.source.resolve()):
        raise DatasetError(
            f"{folder} lies among the pictures in {curated.source}, and would be read as part of "
            "them; name a folder elsewhere"
        )
    with atomic.replacing_folder(folder) as temporary:
        yield temporary


def copy_picture(curated: CuratedSet, picture: Picture, to: Path) -> None:
    """Copy the file's bytes: no link, so that a change to one never is a change to the other.

    Raises:
        DatasetError: it can no longer be read, or is not the file that was judged.
    """
    source, digest = curated.path_of(picture), hashlib.sha256()
    try:
        file = source.open("rb")
    except OSError as error:
        raise DatasetError(f"{source} cannot be read ({error.strerror})") from error
    to.parent.mkdir(parents=True, exist_ok=True)
    with file, to.open("xb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != picture.digest:
        to.unlink()
        raise DatasetError(
            f"{source} has changed since it was looked at; curate the pictures again"
        )
