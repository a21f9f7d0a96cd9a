"""Any source as a folder of pictures, unpacked once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from filelock import FileLock

from studio import atomic
from studio.curation.clip_settings import ClipSettings
from studio.curation.settings import DatasetSettings
from studio.curation.sources.kinds import PICTURES, recognised
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import Progress, Unpacking
from studio.user_cache import cache_folder

# Goes up with every change of what is written, so that an earlier studio's folder is not taken for it.
_UNPACKED_SINCE = 1
_RECEIPT = ".unpacked.json"


def pictures_folder(settings: DatasetSettings, progress: Progress | None = None) -> Path:
    """`as_folder` of a recipe's ``dataset:`` section."""
    return as_folder(
        settings.source,
        caption_column=settings.caption_column,
        clip=settings.clip,
        progress=progress,
    )


def as_folder(
    given: str,
    *,
    caption_column: str = "",
    clip: ClipSettings = PICTURES,
    progress: Progress | None = None,
) -> Path:
    """The folder where the pictures of a source are read: itself, or one in the cache.

    What must be unpacked is written to ``$XDG_CACHE_HOME/adapter-studio/pictures/<content>`` and
    found there the next time. The folder appears whole or not at all, and one that has since lost
    files is made anew. It is nobody's to edit; deleting it costs time only.

    Args:
        given: a folder, an archive, a table, or ``hf:`` and a name on the hub.
        caption_column: of a table; empty: one of the usual names.
        clip: how clips are read, where the source holds those.
        progress: called while unpacking with how much is done and how much there is.

    Raises:
        DatasetError: there is no such source, or it is damaged, unsafe, too large or holds no
            pictures; nothing is left behind.
    """
    source = recognised(given, caption_column, clip)
    if source is None:
        return Path(given).expanduser()
    key = f"{_UNPACKED_SINCE} {source.identity()}"
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder = cache_folder() / "pictures" / name
    if not _is_whole(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{name}.lock")):
            if not _is_whole(folder):  # another process may have been faster
                _unpack(source, folder, progress)
    return folder


def _unpack(source: Source, folder: Path, progress: Progress | None) -> None:
    for left in folder.parent.glob(f".{folder.name}.*.*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with atomic.replacing_folder(folder) as temporary:
        into = Unpacking(temporary, source.title, progress)
        source.unpack(into)
        into.finish()
        receipt = {"source": source.title, "files": into.files, "bytes": into.bytes}
        (temporary / _RECEIPT).write_text(json.dumps(receipt), "utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all that was unpacked is still there: caches are tidied by many hands."""
    try:
        receipt = json.loads((folder / _RECEIPT).read_text("utf-8"))
        expected = (receipt["files"], receipt["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    sizes = [
        (Path(root) / name).stat().st_size
        for root, _, names in os.walk(folder)
        for name in names
        if name != _RECEIPT
    ]
    return (len(sizes), sum(sizes)) == expected
