"""What Hugging Face's ``save_to_disk`` wrote: a folder of Arrow files with their description."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.curation.sources.columns import choose_columns
from studio.curation.sources.limits import Tally
from studio.curation.sources.rows import LocalFile, unpack_rows
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import Unpacking
from studio.errors import DatasetError

TRAIN = "train"


def is_saved_dataset(folder: Path) -> bool:
    """Whether ``save_to_disk`` wrote this folder: one set, or several splits of one."""
    one = (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file()
    return one or (folder / "dataset_dict.json").is_file()


@dataclass(frozen=True)
class SavedDataset(Source):
    """See `Source`. Of several splits ``train`` is read; a split's own folder is a source too."""

    folder: Path
    caption_column: str
    title: str

    def identity(self) -> str:
        """By the files' names, sizes and times: they may be many gigabytes."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        digest = hashlib.sha256()
        for path in files:
            facts = path.stat()
            name = path.relative_to(self.folder).as_posix()
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
        return f"saved {self.folder.resolve()} {self.caption_column} {digest.hexdigest()}"

    def unpack(self, into: Unpacking) -> None:
        from datasets import DatasetDict, load_from_disk

        # Damaged folders make it raise errors of many classes, some of them built-in ones.
        try:
            loaded = load_from_disk(str(self.folder))
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise DatasetError(
                f"{self.title} is no whole saved data set ({reason}); save it anew"
            ) from error
        if isinstance(loaded, DatasetDict):
            loaded = self._split(loaded)
        unpack_dataset(loaded, self.caption_column, into)

    def _split(self, splits: Any) -> Any:
        chosen = TRAIN if TRAIN in splits else next(iter(splits), "")
        if not splits or (chosen != TRAIN and len(splits) > 1):
            raise DatasetError(
                f"{self.title} has the splits {', '.join(splits) or '-'} and no {TRAIN}; give the "
                "folder of one of them"
            )
        return splits[chosen]


def unpack_dataset(
    dataset: Any,
    caption_column: str,
    into: Unpacking,
    local_file: LocalFile = lambda _path: None,
) -> None:
    """Write the rows of a `datasets.Dataset`, which are read from its mapped files one by one.

    Raises:
        DatasetError: it has no pictures, or they cannot be used.
    """
    from datasets import Image

    columns = choose_columns(dataset.features, caption_column, into.title)
    chosen = dataset.with_format(None).select_columns(columns.read)
    if isinstance(dataset.features[columns.image], Image):
        chosen = chosen.cast_column(columns.image, Image(decode=False))
    into.require_space(chosen.data.nbytes)
    tally = Tally(into.title, None)
    unpack_rows(chosen, columns, into, tally, total=len(chosen), local_file=local_file)
