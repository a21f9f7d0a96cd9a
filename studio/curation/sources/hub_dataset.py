"""A dataset on the Hugging Face hub, fetched because the user wrote ``hf:``."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio import atomic
from studio.curation.sources.given import hub_name
from studio.curation.sources.saved_dataset import TRAIN, unpack_dataset
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import Unpacking
from studio.errors import DatasetError
from studio.user_cache import cache_folder

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class HubDataset(Source):
    """``hf:owner/name``, with ``/subset``, ``@revision`` and ``:split`` where there are several.

    See `Source`. The split may be a part of one, such as ``train[:200]``. What was unpacked once is
    read without a network as long as the hub cannot be asked for something newer.
    """

    repo: str
    subset: str | None
    revision: str
    split: str
    caption_column: str
    title: str

    @classmethod
    def parse(cls, given: str, caption_column: str) -> HubDataset:
        """From what the user wrote.

        Raises:
            DatasetError: it is not written as above.
        """
        name = hub_name(given)
        if name is None:
            raise DatasetError(
                f"{given} is no data set's name; write hf:owner/name, with @revision and :split "
                "behind it where needed"
            )
        revision, split = name["revision"] or "main", name["split"] or TRAIN
        return cls(name["repo"], name["subset"], revision, split, caption_column, given)

    def identity(self) -> str:
        what = f"{self.repo} {self.subset or ''} {self._commit} {self.split}"
        return f"hub {what} {self.caption_column}"

    def unpack(self, into: Unpacking) -> None:
        from datasets import load_dataset

        # Its errors are of many libraries: network, hub, decoders, built-in ones.
        try:
            dataset = load_dataset(
                f"hf://datasets/{self.repo}",  # never a folder of that name that lies here
                self.subset,
                revision=self._commit,
                split=self.split,
            )
        except Exception as error:
            raise self._unreadable(error) from error
        unpack_dataset(dataset, self.caption_column, into, _fetched_file)

    @cached_property
    def _commit(self) -> str:
        """Which state of the dataset is meant; without a network the one that was used last."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        from huggingface_hub import HfApi
        from huggingface_hub.errors import (
            GatedRepoError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        name = hashlib.sha256(f"{self.repo}@{self.revision}".encode()).hexdigest()
        remembered = cache_folder() / "commits" / name
        try:
            facts = HfApi().dataset_info(
                self.repo, revision=self.revision, timeout=_TIMEOUT_SECONDS
            )
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise DatasetError(
                f"the hub has no data set {self.repo} at {self.revision} for you; check the name, or "
                "log in where it is private: hf auth login"
            ) from error
        except Exception as error:
            with suppress(OSError):
                return remembered.read_text("ascii")
            raise self._unreadable(error) from error
        commit = str(facts.sha)
        atomic.write_text(remembered, commit)
        return commit

    def _unreadable(self, error: Exception) -> DatasetError:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        advice = "try again with a network, or give a folder"
        if isinstance(error, ValueError):  # another split or subset was asked for than there is
            advice = "write it as hf:owner/name/subset@revision:split"
        return DatasetError(
            f"{self.title} cannot be had from the Hugging Face hub ({reason}); {advice}"
        )


def _fetched_file(path: str) -> Path | None:
    """A file in the hub library's own caches: other paths in a data set are not ours to read."""
    from datasets import config
    from huggingface_hub import constants

    roots: tuple[Any, ...] = (constants.HF_HUB_CACHE, config.HF_DATASETS_CACHE)
    file = Path(path).resolve()
    inside = any(file.is_relative_to(Path(root).resolve()) for root in roots)
    return file if inside and file.is_file() else None
