"""The kept pictures as an image folder: what ``datasets.load_dataset("imagefolder", …)`` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from studio.curation.copying import copy_picture, new_folder
from studio.curation.manifest import CuratedSet
from studio.curation.split import split
from studio.errors import DatasetError

# `datasets` takes "::" for a way into an archive, and a backslash for a folder.
_TROUBLE = re.compile(r"::+|\\|[\x00-\x1f]")


def write_imagefolder(
    curated: CuratedSet, folder: Path, *, validation_share: float = 0.0, seed: int = 0
) -> None:
    """Copy the kept pictures, byte for byte, with their captions in ``metadata.jsonl``.

    They lie in ``train/`` and, where a share is held out as `split` does in a run, ``validation/``;
    always in one or the other, for without such folders `datasets` guesses splits from words such as
    "test" in file names. Sub-folders become part of the name: ``sub/cat.png`` is ``sub-cat.png``.

    ``text`` is the plain caption: the trigger, prefix and suffix are the recipe's, and are put before
    and after it when the folder is trained on.

    Args:
        folder: new or empty; appears whole or not at all.
        validation_share: of the kept pictures, 0 to 0.5.
        seed: which pictures are held out; a recipe's own to have the same as its run.

    Raises:
        DatasetError: nothing was kept, the folder is not empty or lies among the pictures, or a
            picture has changed since.
    """
    if not curated.kept:
        raise DatasetError(f"no picture of {curated.title} was kept; there is nothing to write")
    training, held_out = split(curated, validation_share, seed)
    with new_folder(folder, curated) as temporary:
        _write_split(training, temporary / "train")
        if held_out.kept:
            _write_split(held_out, temporary / "validation")


def _write_split(part: CuratedSet, folder: Path) -> None:
    folder.mkdir()
    rows = []
    for picture, name in zip(part.kept, _flat_names(part), strict=True):
        copy_picture(part, picture, folder / name)
        rows.append({"file_name": name, "text": picture.caption})
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "metadata.jsonl").write_text("\n".join([*lines, ""]), "utf-8")


def _flat_names(part: CuratedSet) -> Iterator[str]:
    """A name for each kept picture, in order, no two the same."""
    used: set[str] = set()
    for picture in part.kept:
        path = PurePosixPath(_TROUBLE.sub("-", picture.name.replace("/", "-")))
        name, number = path.name, 1
        while name.casefold() in used:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        used.add(name.casefold())
        yield name
