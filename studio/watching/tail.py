"""The end of a growing diary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from studio.events import read_event


class EventTail:
    """Reads ``events.jsonl`` on from where it stopped. See `studio.events.EventLog` for who writes it.

    Attributes:
        begins_anew: the last look found another file, or less than was read before: all of what it
            returned is to be taken as the whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begins_anew = False
        self._offset = 0
        self._inode: int | None = None

    def new(self) -> list[dict[str, Any]]:
        """Every whole event since the last call; none while there is no file."""
        try:
            with self.path.open("rb") as file:
                content = self._unread(file)
        except FileNotFoundError:
            return []
        whole = content.rfind(b"\n") + 1  # what follows is being written, or was torn
        self._offset += whole
        return [event for line in content[:whole].splitlines() if (event := read_event(line))]

    def _unread(self, file: BinaryIO) -> bytes:
        status = os.fstat(file.fileno())
        is_other = self._inode not in (None, status.st_ino)
        self.begins_anew = is_other or status.st_size < self._offset
        if self.begins_anew:
            self._offset = 0
        self._inode = status.st_ino
        file.seek(self._offset)
        return file.read()
