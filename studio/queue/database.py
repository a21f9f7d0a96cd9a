"""The queue's SQLite file: made whole, opened for one transaction at a time, errors in one line.

A connection lives as long as one transaction, so threads and processes share nothing but the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from studio import atomic
from studio.errors import QueueError

APPLICATION_ID = 0x41535131  # "ASQ1", in the file's header
VERSION = 1
BUSY_SECONDS = 30.0

_SCHEMA = """
create table job (
    id integer primary key autoincrement,
    key text not null unique,
    kind text not null,
    name text not null,
    recipe text not null,
    folder text not null,
    run text,
    state text not null default 'waiting',
    position integer not null,
    attempts integer not null default 0,
    stop_wanted integer not null default 0,
    pid integer,
    error text,
    added real not null,
    started real,
    ended real
)
"""


@contextmanager
def transaction(path: Path, *, writes: bool) -> Iterator[sqlite3.Connection]:
    """Everything in the ``with`` block happens at one moment, or on an error not at all.

    Raises:
        QueueError: the file is no queue, damaged, busy for long, or cannot be written.
    """
    try:
        with closing(_opened(path)) as connection:
            connection.row_factory = sqlite3.Row
            _require_ours(connection, path)
            connection.execute("begin immediate" if writes else "begin")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
    except sqlite3.OperationalError as error:  # busy, read-only, no space
        raise QueueError(f"the queue {path} cannot be used now: {error}") from error
    except sqlite3.Error as error:
        raise QueueError(_not_ours(path, str(error))) from error


def create(path: Path) -> None:
    """Make an empty queue where there is none.

    Raises:
        QueueError: the folder cannot be made or written.
    """
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):  # two may begin it at once
            if not path.exists():
                with atomic.replacing(path) as temporary:
                    _write_empty(temporary)
    except OSError as error:
        raise QueueError(f"cannot make a queue in {path.parent}: {error.strerror}") from error


def _write_empty(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        # The mode is kept in the file: whoever reads never waits for whoever writes.
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {VERSION}")
        connection.execute(_SCHEMA)


def _opened(path: Path) -> sqlite3.Connection:
    # SQLite would make a missing file, half a queue.
    there = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(there, BUSY_SECONDS, isolation_level=None, uri=True)


def _require_ours(connection: sqlite3.Connection, path: Path) -> None:
    [mark] = connection.execute("pragma application_id").fetchone()
    [version] = connection.execute("pragma user_version").fetchone()
    if mark != APPLICATION_ID:
        raise QueueError(_not_ours(path, "not made by the studio"))
    if version != VERSION:
        raise QueueError(
            f"the queue {path} is of version {version}, this studio knows {VERSION}; "
            "use the studio that made it"
        )


def _not_ours(path: Path, reason: str) -> str:
    return (
        f"{path} holds no queue that can be read ({reason}); move it away and a new one is made, "
        "runs are not touched"
    )
