"""``studio curate --fix-captions`` and ``--auto-captions``: captions written beside the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cli.output import note

if TYPE_CHECKING:
    from studio.captioning.captioner import Captioner
    from studio.curation.fix_captions import FixedCaption
    from studio.curation.manifest import CuratedSet
    from studio.curation.reading import CaptionReader
    from studio.curation.settings import DatasetSettings
    from studio.reporter import Reporter

_SHOWN = 20


def fix(dataset: DatasetSettings, reader: CaptionReader | None, folder: Path | None) -> None:
    """Write what can be mended, and say what was."""
    from studio.curation.fix_captions import fix_captions, write_fixed_captions

    fixed = fix_captions(dataset, reader=reader)
    if not fixed:
        note("captions: nothing to mend")
        return
    written = write_fixed_captions(fixed, dataset, folder)
    for line in _changes(fixed):
        note(line)
    _tell_where(f"{len(fixed)} mended captions", written)


def write_missing(
    captioner: Captioner,
    curated: CuratedSet,
    folder: Path | None,
    reporter: Reporter,
    *,
    all_pictures: bool,
) -> None:
    """Let the captioner write, and say what it did."""
    from studio.captioning.auto_captions import write_auto_captions

    with reporter.stage("writing captions") as progress:
        done = write_auto_captions(
            captioner, curated, folder, all_pictures=all_pictures, progress=progress
        )
    if done.there_already:
        note(f"captions: {len(done.there_already)} in {done.folder} already, left as they are")
    if done.texts:
        _tell_where(f"{len(done.texts)} captions by {captioner.name}, marked so,", done.folder)
    elif not done.there_already:
        note("captions: every picture has one; --all-captions writes them anew")


def _tell_where(what: str, folder: Path) -> None:
    note(f"written: {what} in {folder}; train on them with --set dataset.caption_folder={folder}")


def _changes(fixed: Sequence[FixedCaption]) -> Iterator[str]:
    from studio.curation.summary import printable

    for caption in fixed[:_SHOWN]:
        yield from map(printable, caption.lines())
    if len(fixed) > _SHOWN:
        yield f"and {len(fixed) - _SHOWN} more"
