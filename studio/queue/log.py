"""What a job's trainers said: their own words in a file of limited size."""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 256 << 10
KEPT_BYTES = 128 << 10
_BEGINNING = "==> "
_ERROR = "error: "


class Log:
    """One job's log. Trainers write into it without anybody between, so no one's end silences them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, command: str) -> int:
        """A descriptor to write to, behind a line that says which trainer begins here."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.shorten()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(descriptor, f"{_BEGINNING}{command}\n".encode())
        return descriptor

    def shorten(self) -> None:
        """Leave the end alone of a log that has grown long. Whoever writes appends, and so goes on."""
        try:
            with self.path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size <= MAX_BYTES:
                    return
                file.seek(size - KEPT_BYTES)
                end = file.read().partition(b"\n")[2]
                file.truncate(0)
                file.seek(0)
                file.write(end)
        except FileNotFoundError:
            return

    def text(self) -> str:
        """All of it; empty where there is nothing yet."""
        try:
            return self.path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def error(self) -> str | None:
        """The last error that the newest trainer told of."""
        found = None
        for line in self.text().splitlines():
            if line.startswith(_BEGINNING):
                found = None
            elif line.startswith(_ERROR):
                found = line.removeprefix(_ERROR)
        return found
