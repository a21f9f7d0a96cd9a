"""Rows of a table to picture files, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from studio.curation.sources.columns import Columns
from studio.curation.sources.encoded_picture import file_name
from studio.curation.sources.limits import Tally
from studio.curation.sources.unpacking import CHUNK_BYTES, Unpacking
from studio.curation.summary import printable
from studio.errors import DatasetError

LocalFile = Callable[[str], Path | None]
"""The file that a row without bytes may name; None where it must not be read."""


def unpack_rows(
    rows: Iterable[Mapping[str, Any]],
    columns: Columns,
    into: Unpacking,
    tally: Tally,
    *,
    total: int,
    folder: str = "",
    local_file: LocalFile = lambda _path: None,
) -> None:
    """Write every row's picture and caption. A row without a picture becomes an empty file, which
    curation names as unreadable: nothing is left out in silence.

    Args:
        total: how many rows there are.
        folder: below which to write; empty, or with a slash at its end.

    Raises:
        DatasetError: a row holds no encoded picture, or all are too much.
    """
    used: set[str] = set()
    for number, row in enumerate(rows):
        content, path = _picture(row[columns.image])
        if content is None and path is not None:
            source = local_file(path)
            if source is None:
                raise DatasetError(
                    f"{into.title}: row {number} names a file ({printable(path)}) and does not hold "
                    "the picture; save the set anew with its pictures in it"
                )
            tally.count(source.stat().st_size, name=printable(path))
            chunks, beginning = _chunks(source), b""
        else:
            chunks, beginning = iter([content or b""]), content or b""
            tally.count(len(beginning), name=f"row {number}")
        name = folder + _unused(file_name(path, beginning, number), number, used)
        into.add(name, chunks)
        caption = columns.caption_of(row)
        if caption is not None:
            into.caption(name, caption)
        into.progress(number + 1, total)


def _picture(value: Any) -> tuple[bytes | None, str | None]:
    """Bytes and path, either of which may be missing."""
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
    else:
        content, path = value, None
    if isinstance(content, str):
        content, path = None, content
    return (content if isinstance(content, bytes) else None), path


def _unused(name: str, number: int, used: set[str]) -> str:
    """Tables may hold many pictures of one name, as of one folder each."""
    path = PurePosixPath(name)
    if name in used:
        name = f"{path.stem}-{number:06d}{path.suffix}"
    used.add(name)
    return name


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
