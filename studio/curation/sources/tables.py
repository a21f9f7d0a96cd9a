"""One table on disk, read a few rows at a time. pyarrow is imported when a table is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# As many pictures as are in memory at once.
_BATCH_ROWS = 8
_ARROW_FILE = b"ARROW1"

Row = Mapping[str, Any]


class Table(ABC):
    """An open table.

    Attributes:
        count: rows.
        schema: a `pyarrow.Schema`.
    """

    count: int
    schema: Any

    def features(self) -> Mapping[str, Any]:
        """The columns and their types, as `datasets` tells them."""
        from datasets import Features

        features: Mapping[str, Any] = Features.from_arrow_schema(self.schema)
        return features

    @abstractmethod
    def unpacked_bytes(self, columns: Sequence[str]) -> int:
        """What the columns come to, as the file says of itself."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Every row in order, as plain Python values."""


def open_table(path: Path) -> Table:
    """A ``.parquet`` or ``.arrow`` file.

    Raises:
        Exception: any, where the file is damaged.
    """
    return _Parquet(path) if path.suffix.lower() == ".parquet" else _Arrow(path)


class _Parquet(Table):
    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path, memory_map=True, pre_buffer=False)
        self.count = self._file.metadata.num_rows
        self.schema = self._file.schema_arrow

    def unpacked_bytes(self, columns: Sequence[str]) -> int:
        metadata = self._file.metadata
        groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
        parts = (group.column(i) for group in groups for i in range(group.num_columns))
        return sum(
            part.total_uncompressed_size
            for part in parts
            if part.path_in_schema.partition(".")[0] in columns
        )

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for batch in self._file.iter_batches(_BATCH_ROWS, columns=list(columns)):
            yield from batch.to_pylist()


class _Arrow(Table):
    """Both of Arrow's forms: the file, and the stream, which is what `datasets` writes."""

    def __init__(self, path: Path) -> None:
        from pyarrow import ipc, memory_map

        with path.open("rb") as file:
            is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
        mapped = memory_map(str(path))
        reader = ipc.open_file(mapped) if is_file else ipc.open_stream(mapped)
        self.schema = reader.schema
        # Slices of the mapped file, not copies of it.
        self._table = reader.read_all()
        self.count = self._table.num_rows

    def unpacked_bytes(self, columns: Sequence[str]) -> int:
        size: int = self._table.select(list(columns)).nbytes
        return size

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for batch in self._table.select(list(columns)).to_batches(_BATCH_ROWS):
            yield from batch.to_pylist()
