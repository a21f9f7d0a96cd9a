"""A run's diary: one JSON object a line, appended as things happen."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 16


class EventLog:
    """``events.jsonl`` of a run, safe to read while it is written and after a sudden end.

    Each event is one line and one write, so a process that is killed leaves at most its last line
    torn. Readers pass over a torn line; the next writer cuts it off.

    Fields of every event: ``time`` (seconds since 1970), ``event`` (its name), ``step`` where there
    is one, and what else `append` was given.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mended = False

    def append(self, event: str, step: int | None = None, **fields: Any) -> None:
        """Write one event. Numbers that JSON does not know (nan, inf) become null."""
        content: dict[str, Any] = {"time": round(time.time(), 3), "event": event}
        if step is not None:
            content["step"] = step
        content.update({k: _number_or_null(v) for k, v in fields.items()})
        self._write(json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole event, oldest first; none where there is no file yet."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        yield from filter(None, map(read_event, lines))

    def latest(self, event: str) -> dict[str, Any] | None:
        """The newest event of that name."""
        try:
            with self.path.open("rb") as file:
                lines = _lines_backwards(file)
                events = (found for line in lines if (found := read_event(line)))
                return next((found for found in events if found["event"] == event), None)
        except FileNotFoundError:
            return None

    def _write(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if not self._mended:
                _cut_torn_line(descriptor)
                self._mended = True
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def read_event(line: bytes) -> dict[str, Any] | None:
    """One line as an event; None where it is torn or something else."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _lines_backwards(file: BinaryIO) -> Iterator[bytes]:
    """Lines from the last to the first; what is asked for is mostly near the end."""
    end, rest = file.seek(0, os.SEEK_END), b""
    while end > 0:
        begin = max(0, end - CHUNK_BYTES)
        file.seek(begin)
        first, *whole = (file.read(end - begin) + rest).split(b"\n")
        yield from reversed(whole)
        end, rest = begin, first
    yield rest


def _cut_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def _number_or_null(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
