"""Captions that the user edits, in a folder of their own: `studio.curation.caption_folder`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from studio import atomic
from studio.curation.caption_folder import caption_name, require_one_each
from studio.errors import DatasetError

MOST_LETTERS = 4000
"""Several times what any base model reads."""


def write_caption(folder: Path, picture: str, text: str | None, pictures: Iterable[str]) -> None:
    """Write a picture's caption, or with None take it back, so that the found one counts again.

    Args:
        pictures: names of all in the set.

    Raises:
        DatasetError: the picture is none of the set's or shares its caption with another, or the
            caption is far too long.
    """
    names = list(pictures)
    if picture not in names:
        raise DatasetError(f"{picture!r} is no picture of this set; look at the set again")
    require_one_each(name for name in names if caption_name(name) == caption_name(picture))
    if text is not None and len(text) > MOST_LETTERS:
        raise DatasetError(
            f"a caption of {len(text)} letters is longer than any base model reads; "
            f"write at most {MOST_LETTERS}"
        )
    path = folder / caption_name(picture)
    if text is None:
        path.unlink(missing_ok=True)
    else:
        atomic.write_text(path, text)


def read_caption(folder: Path, picture: str) -> str | None:
    """The edited caption; None where it is as it was found."""
    try:
        return (folder / caption_name(picture)).read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None


def has_captions(folder: Path) -> bool:
    return any(folder.rglob("*.txt")) if folder.is_dir() else False
