"""Captions for the pictures that have none, into a folder beside them that says who wrote them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio import atomic
from studio.captioning.captioner import Captioner
from studio.curation.caption_folder import (
    AutoCaption,
    caption_name,
    default_caption_folder,
    read_note,
    require_beside,
    require_one_each,
    write_note,
)
from studio.curation.decode import open_rgb
from studio.curation.manifest import CuratedSet, Picture

BATCH = 8


@dataclass(frozen=True)
class AutoCaptions:
    """What was written.

    Attributes:
        folder: where.
        texts: by the picture's name; none for pictures of which the model had nothing to say.
        there_already: pictures that had a caption file in the folder, which is as it was.
    """

    folder: Path
    texts: dict[str, str]
    there_already: tuple[str, ...]


def write_auto_captions(
    captioner: Captioner,
    curated: CuratedSet,
    folder: Path | None = None,
    *,
    all_pictures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> AutoCaptions:
    """Caption every kept picture that has no text. Stopped and begun again, it goes on.

    The folder's note is written before the texts that it names: at no time is there one that could
    be taken for a person's.

    Args:
        folder: by default ``<source>-captions``, beside the pictures.
        all_pictures: those with a caption too.

    Raises:
        CaptionerError: the model cannot be loaded.
        DatasetError: the folder is among the pictures, its note is damaged, or two pictures would
            share a caption file.
    """
    folder = folder.expanduser() if folder else default_caption_folder(curated.title)
    require_beside(folder, curated.source)
    wanted = [p for p in curated.kept if all_pictures or not p.caption]
    require_one_each(p.name for p in wanted)
    there = {p.name for p in wanted if (folder / caption_name(p.name)).exists()}
    pictures = [p for p in wanted if p.name not in there]
    note = read_note(folder)
    texts: dict[str, str] = {}
    for start in range(0, len(pictures), BATCH):
        batch = _texts(captioner, curated, pictures[start : start + BATCH])
        for name, text in batch.items():
            note[caption_name(name)] = AutoCaption.of(text, captioner.name, captioner.digest)
        write_note(folder, note)
        for name, text in batch.items():
            atomic.write_text(folder / caption_name(name), text + "\n")
        texts |= batch
        if progress:
            progress(min(start + BATCH, len(pictures)), len(pictures))
    return AutoCaptions(folder, texts, tuple(sorted(there)))


def _texts(captioner: Captioner, curated: CuratedSet, pictures: list[Picture]) -> dict[str, str]:
    images = [open_rgb(curated.path_of(picture)) for picture in pictures]
    texts = captioner.captions(images)
    return {p.name: text for p, text in zip(pictures, texts, strict=True) if text}
