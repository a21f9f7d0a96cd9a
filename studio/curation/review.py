"""The dropped pictures in a folder of their own, to look at and to think again."""

from __future__ import annotations

from pathlib import Path

from studio.curation.copying import copy_picture, new_folder
from studio.curation.manifest import CuratedSet, Picture
from studio.curation.summary import printable
from studio.errors import DatasetError

REVIEW = "review.txt"


def copy_dropped(curated: CuratedSet, folder: Path) -> int:
    """Copy every dropped picture into a sub-folder called after its reason, with a ``review.txt``
    that says why of each. The originals stay where and as they are.

    Args:
        folder: new or empty; appears whole or not at all.

    Returns:
        How many were dropped. Where none was, nothing is written.

    Raises:
        DatasetError: the folder is not empty or lies among the pictures.
    """
    if not curated.dropped:
        return 0
    with new_folder(folder, curated) as temporary:
        lines = [_copied(curated, picture, temporary) for picture in curated.dropped]
        (temporary / REVIEW).write_text("\n".join([_heading(curated), "", *lines, ""]), "utf-8")
    return len(curated.dropped)


def _heading(curated: CuratedSet) -> str:
    return (
        f"{len(curated.dropped)} of {len(curated.pictures)} pictures of "
        f"{printable(curated.title)} were dropped. To have one back: --keep NAME"
    )


def _copied(curated: CuratedSet, picture: Picture, folder: Path) -> str:
    """Copy it, and what to say of it: a file that cannot be read is told, not copied."""
    why = picture.drop_reason
    line = f"{printable(picture.name)}: {printable(why.message)}"
    try:
        copy_picture(curated, picture, folder / why.check / picture.name)
    except DatasetError as error:
        return f"{line} (not copied: {printable(str(error))})"
    return line
