"""What pictures came to, remembered by their content: the second look at a set reads no picture.

One SQLite file for all sets of a user. It only saves time: where it is damaged, locked, read-only or
the disk is full, curation goes on without it. ``STUDIO_CACHE=off`` in the environment does too.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.curation import cache_tables as tables
from studio.curation.file_stamp import FileStamp
from studio.curation.measuring import Measuring, Seen
from studio.user_cache import cache_folder

MAX_BYTES = 512 << 20
_COMMIT_SECONDS = 2.0


class MeasurementCache:
    """Answers for one `Measuring`. May be asked from several threads, and by several processes.

    Attributes:
        keeps: whether what is remembered will be there the next time.
    """

    def __init__(self, measuring: Measuring, connection: sqlite3.Connection | None) -> None:
        """Without a ``connection`` nothing is known, and nothing kept."""
        self.keeps = connection is not None
        self._measuring = measuring
        self._connection = connection
        self._lock = threading.RLock()
        self._committed = time.monotonic()
        self._used: dict[bytes, int] = {}

    def unchanged(self, path: Path) -> Seen | None:
        """All that is asked of the file, without opening it; None unless all is known."""
        try:
            stamp = FileStamp.of(path.stat())
        except OSError:
            return None
        with self._reading() as connection:
            digest = connection and tables.select_digest(connection, _key(path), stamp)
            row = connection and digest and tables.select_seen(connection, digest, self._measuring)
            if row and self._measuring.missing(row.seen) is None:
                if row.used_day != tables.today():
                    self._used[_key(path)] = row.id
                return row.seen
        return None

    def recall(self, digest: str) -> Seen | None:
        """What is known of a content, possibly without some of the measurements."""
        row = None
        with self._reading() as connection:
            row = connection and tables.select_seen(connection, digest, self._measuring)
        return row.seen if row else None

    def remember(self, path: Path, seen: Seen) -> None:
        """Keep what is true of the content whenever it is looked at; nothing else."""
        if not seen.digest:
            return
        with self._writing() as connection:
            if connection is None:
                return
            if seen.unreadable or seen.width_px:  # else it was known, and not decoded
                tables.insert_seen(connection, seen, self._measuring)
            if seen.stamp is not None:
                tables.insert_file(connection, _key(path), seen.stamp, seen.digest)
            if time.monotonic() - self._committed > _COMMIT_SECONDS:
                self._commit(connection)

    def close(self) -> None:
        with self._writing() as connection:
            if connection is not None:
                tables.mark_used(connection, self._used)
                self._commit(connection)
        if self._connection is not None:
            self._connection.close()

    def _commit(self, connection: sqlite3.Connection) -> None:
        connection.commit()
        tables.forget_oldest(connection, MAX_BYTES)
        self._committed = time.monotonic()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The connection; if it fails, none from then on."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                self._give_up(damaged=tables.is_damage(error))
            # Text that is no JSON, a row of the wrong length: damage that SQLite did not see.
            except (ValueError, TypeError, KeyError):
                self._give_up(damaged=True)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection | None]:
        """The connection while writing succeeds; what was written before may still be read."""
        with self._lock:
            try:
                yield self._connection if self.keeps else None
            except sqlite3.Error as error:
                self.keeps = False
                if tables.is_damage(error):
                    self._give_up(damaged=True)

    def _give_up(self, *, damaged: bool) -> None:
        self.keeps = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if damaged:
            tables.remove(database())


@contextmanager
def measurement_cache(measuring: Measuring) -> Iterator[MeasurementCache]:
    """The user's cache; what was remembered is safe at the end of the ``with`` block."""
    cache = MeasurementCache(measuring, _connection())
    try:
        yield cache
    finally:
        cache.close()


def database() -> Path:
    """The file, which may be deleted at any time."""
    return cache_folder() / "curation" / "measurements.sqlite"


def _connection() -> sqlite3.Connection | None:
    if os.environ.get("STUDIO_CACHE") == "off":
        return None
    try:
        return tables.connected(database())
    except (OSError, sqlite3.Error):
        return None


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())
