"""Which kind of source something is, by its name and by what lies there."""

from __future__ import annotations

import re
from pathlib import Path

from studio.curation.clip_settings import ClipSettings
from studio.curation.scan import scan
from studio.curation.sources.clip_folder import ClipFolder
from studio.curation.sources.clip_frames import has_videos
from studio.curation.sources.given import (
    ENDINGS,
    TABLE_ENDINGS,
    TAR_ENDINGS,
    first_file,
    is_on_hub,
    shards,
)
from studio.curation.sources.hub_dataset import HubDataset
from studio.curation.sources.saved_dataset import SavedDataset, is_saved_dataset
from studio.curation.sources.source import Source
from studio.curation.sources.table_files import TableFiles
from studio.curation.sources.tar_shards import TarShards
from studio.curation.sources.zip_archive import ZipArchive
from studio.errors import DatasetError

_LIKE_A_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SHOWN = 3


PICTURES = ClipSettings()
"""What stands where no clips are to be read."""


def recognised(
    given: str, caption_column: str = "", clip: ClipSettings = PICTURES
) -> Source | None:
    """The source that must be unpacked; None for a folder of pictures.

    Raises:
        DatasetError: there is nothing of that name, or a file of no kind that is known; or it holds
            pictures where clips are to be read, or clips where pictures are.
    """
    if clip.num_frames is not None:
        return _clips(given, clip.num_frames, clip.frame_step)
    if is_on_hub(given):
        return HubDataset.parse(given, caption_column)
    path = Path(given).expanduser()
    if path.is_dir():
        return _in_folder(path, caption_column)
    if path.is_file():
        return _file(path, caption_column)
    if first_file(given) != given:
        return TarShards(_shards(str(path)), title=path.name)
    if _LIKE_A_HUB_NAME.fullmatch(given):
        raise DatasetError(
            f"no folder {given}; check the path, or write hf:{given} for the data set on the hub"
        )
    raise DatasetError(f"no folder {path}; check the path of dataset.source")


def _clips(given: str, num_frames: int, frame_step: int) -> Source:
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise DatasetError(
            f"{given} is no folder; clips are read from a folder of videos, GIFs and folders of frames"
        )
    return ClipFolder(folder, num_frames, frame_step, title=str(folder))


def _in_folder(folder: Path, caption_column: str) -> Source | None:
    if is_saved_dataset(folder):
        return SavedDataset(folder, caption_column, title=str(folder))
    tables = sorted(
        file
        for pattern in ("*", "data/*")  # the second is how repositories of the hub are laid out
        for file in folder.glob(pattern)
        if file.suffix.lower() in TABLE_ENDINGS and file.is_file()
    )
    if has_videos(folder) and not _has_pictures(folder):
        raise DatasetError(
            f"{folder} holds clips and no pictures, which a base model learns from that draws from "
            "text; give pictures, or a base_model of Stable Video Diffusion"
        )
    if not tables or _has_pictures(folder):
        return None
    return TableFiles(tuple(tables), caption_column, title=str(folder))


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(scan(folder).pictures)
    except DatasetError:
        return False


def _file(path: Path, caption_column: str) -> Source:
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipArchive(path, title=path.name)
    if name.endswith(TAR_ENDINGS):
        return TarShards((path,), title=path.name)
    if name.endswith(TABLE_ENDINGS):
        return TableFiles((path,), caption_column, title=path.name)
    raise DatasetError(
        f"{path} is a file; a source is a folder of pictures, a file that ends in "
        f"{' '.join(ENDINGS)}, or a data set on the hub, hf:owner/name"
    )


def _shards(pattern: str) -> tuple[Path, ...]:
    paths = [Path(name) for name in shards(pattern)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        shown = ", ".join(missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DatasetError(
            f"{len(missing)} of the {len(paths)} files {pattern} are not there: {shown}{more}; "
            "fetch them, or give a shorter range"
        )
    return tuple(paths)
