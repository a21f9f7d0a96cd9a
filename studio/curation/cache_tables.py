"""The measurement cache's tables, and what is written into them and read out."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from studio.curation.decode import DECODES_SINCE
from studio.curation.file_facts import FileFacts
from studio.curation.file_stamp import FileStamp
from studio.curation.measuring import Measuring, Seen

VERSION = 1
# Another Pillow may read what this one does not, or read it a little differently.
DECODER = f"{DECODES_SINCE}, Pillow {PIL.__version__}"
_WAIT_SECONDS = 10.0
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS measurement;
DROP TABLE IF EXISTS picture;
DROP TABLE IF EXISTS file;
CREATE TABLE picture (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL, decoder TEXT NOT NULL, used_day INTEGER NOT NULL,
    width_px INTEGER NOT NULL, height_px INTEGER NOT NULL, frames INTEGER NOT NULL,
    facts TEXT NOT NULL, unreadable TEXT NOT NULL,
    UNIQUE (digest, decoder)
);
CREATE TABLE measurement (
    picture INTEGER NOT NULL REFERENCES picture ON DELETE CASCADE,
    resolution_px INTEGER NOT NULL, check_name TEXT NOT NULL, measured_since INTEGER NOT NULL,
    numbers BLOB,
    PRIMARY KEY (picture, resolution_px, check_name, measured_since)
);
CREATE TABLE file (
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    digest BLOB NOT NULL, used_day INTEGER NOT NULL
) WITHOUT ROWID;
"""


class Row(NamedTuple):
    """A picture as it is stored."""

    id: int
    used_day: int
    seen: Seen


def today() -> int:
    """Days since 1970: when a row was last of use, as fine as forgetting needs it."""
    return int(time.time() // 86400)


def connected(path: Path) -> sqlite3.Connection:
    """The database at ``path``; a new one where there is none, or a damaged one, or an older one.

    Raises:
        OSError, sqlite3.Error: it cannot be made or read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        remove(path)
        return _connected(path)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file is no whole database."""
    return getattr(error, "sqlite_errorcode", None) in _DAMAGED


def remove(path: Path) -> None:
    """Delete the database and what SQLite puts beside it."""
    for file in (path, path.with_name(f"{path.name}-journal")):
        with suppress(OSError):
            file.unlink()


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.executescript(f"{_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def select_digest(connection: sqlite3.Connection, path: bytes, stamp: FileStamp) -> str | None:
    """SHA-256 of the file at ``path`` if it was read before and is unchanged."""
    found = connection.execute(
        "SELECT digest, size, modified_ns, changed_ns, inode FROM file WHERE path = ?", (path,)
    ).fetchone()
    return found[0].hex() if found and FileStamp(*found[1:]) == stamp else None


def select_seen(connection: sqlite3.Connection, digest: str, measuring: Measuring) -> Row | None:
    """What is known of a content; measurements of other versions of a check are passed over."""
    found = connection.execute(
        "SELECT id, used_day, width_px, height_px, frames, facts, unreadable FROM picture "
        "WHERE digest = ? AND decoder = ?",
        (bytes.fromhex(digest), DECODER),
    ).fetchone()
    if not found:
        return None
    key, used_day, width_px, height_px, frames, facts, unreadable = found
    measurements = {
        name: None if numbers is None else np.frombuffer(numbers, np.float32)
        for name, since, numbers in connection.execute(
            "SELECT check_name, measured_since, numbers FROM measurement "
            "WHERE picture = ? AND resolution_px = ?",
            (key, measuring.resolution_px),
        )
        if since == measuring.since.get(name)
    }
    seen = Seen(digest, width_px, height_px, frames, _facts(facts), unreadable, measurements)
    return Row(key, used_day, seen)


def insert_seen(connection: sqlite3.Connection, seen: Seen, measuring: Measuring) -> None:
    """Store a content that has a digest, or add measurements to a stored one."""
    facts = json.dumps(asdict(seen.facts))
    connection.execute(
        "INSERT OR IGNORE INTO picture "
        "(digest, decoder, used_day, width_px, height_px, frames, facts, unreadable) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            bytes.fromhex(seen.digest),
            DECODER,
            today(),
            seen.width_px,
            seen.height_px,
            seen.frames,
            facts,
            seen.unreadable,
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO measurement "
        "SELECT id, ?, ?, ?, ? FROM picture WHERE digest = ? AND decoder = ?",
        [
            (
                measuring.resolution_px,
                name,
                measuring.since[name],
                None if numbers is None else numbers.astype(np.float32).tobytes(),
                bytes.fromhex(seen.digest),
                DECODER,
            )
            for name, numbers in seen.measurements.items()
        ],
    )


def insert_file(connection: sqlite3.Connection, path: bytes, stamp: FileStamp, digest: str) -> None:
    """Store which content stands at a path."""
    connection.execute(
        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            path,
            stamp.size,
            stamp.modified_ns,
            stamp.changed_ns,
            stamp.inode,
            bytes.fromhex(digest),
            today(),
        ),
    )


def mark_used(connection: sqlite3.Connection, rows: Mapping[bytes, int]) -> None:
    """Note that pictures were of use today: their ids by the path of the file."""
    day = today()
    connection.executemany("UPDATE file SET used_day = ? WHERE path = ?", [(day, p) for p in rows])
    ids = [(day, key) for key in rows.values()]
    connection.executemany("UPDATE picture SET used_day = ? WHERE id = ?", ids)


def forget_oldest(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Where more than ``max_bytes`` are used, delete what was of no use for longest, a quarter more
    than needed.
    """
    pages, free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    used_bytes = (pages - free) * page_bytes
    if used_bytes <= max_bytes:
        return
    share = 1 - 0.75 * max_bytes / used_bytes
    for table, key in (("picture", "id"), ("file", "path")):
        count = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        oldest = f"SELECT {key} FROM {table} ORDER BY used_day, {key} LIMIT ?"
        connection.execute(
            f"DELETE FROM {table} WHERE {key} IN ({oldest})", (int(count * share) + 1,)
        )
    connection.commit()
    connection.execute("PRAGMA incremental_vacuum").fetchall()


def _facts(stored: str) -> FileFacts:
    fields: dict[str, Any] = json.loads(stored)
    return FileFacts(**{**fields, "luma_table": tuple(fields["luma_table"])})
