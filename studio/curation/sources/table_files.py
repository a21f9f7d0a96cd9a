"""Tables with a column of pictures: ``.parquet`` and ``.arrow`` files, alone or several in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.bases.digests import file_digest
from studio.curation.sources.columns import choose_columns
from studio.curation.sources.limits import Tally
from studio.curation.sources.rows import unpack_rows
from studio.curation.sources.source import Source
from studio.curation.sources.tables import Row, Table, open_table
from studio.curation.sources.unpacking import Unpacking
from studio.errors import DatasetError


@dataclass(frozen=True)
class TableFiles(Source):
    """One table, or several that belong together. See `Source`."""

    paths: tuple[Path, ...]
    caption_column: str
    title: str

    def identity(self) -> str:
        files = (f"{path.stem} {file_digest(path)}" for path in self.paths)
        return "\n".join([f"table {self.caption_column}", *files])

    def unpack(self, into: Unpacking) -> None:
        packed = sum(path.stat().st_size for path in self.paths)
        into.require_space(packed)
        tally = Tally(self.title, packed)
        for path in self.paths:
            table = _opened(path)
            columns = choose_columns(table.features(), self.caption_column, path.name)
            tally.expect(table.unpacked_bytes(columns.read))
            folder = f"{path.stem}/" if len(self.paths) > 1 else ""
            rows = _rows(table, columns.read, path)
            unpack_rows(rows, columns, into, tally, total=table.count, folder=folder)


# pyarrow and datasets raise errors of many classes for a damaged file, some of them built-in ones.


def _opened(path: Path) -> Table:
    try:
        table = open_table(path)
        table.features()
    except Exception as error:
        raise _damaged(path, error) from error
    return table


def _rows(table: Table, columns: list[str], path: Path) -> Iterator[Row]:
    try:
        yield from table.rows(columns)
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DatasetError(
        f"{path.name} is no {path.suffix} table, or is damaged or cut off ({reason}); fetch it again"
    )
