"""One lane of errands: a process that is there when it is needed, and what it says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from studio.errands.errand import Errand

Hear = Callable[[Mapping[str, Any]], None]
Died = Callable[["Lane", str], None]


class Lane:
    """Gives errands to a process one by one. Not safe for several threads; its desk sees to that.

    Args:
        hear: called with each message, from a thread of the lane's own.
        died: called, from there too, when the process is gone with an errand in its hands.
    """

    def __init__(self, name: str, errands: Path, hear: Hear, died: Died) -> None:
        self.name = name
        self._errands = errands
        self._hear, self._died = hear, died
        self._process: subprocess.Popen[bytes] | None = None
        self.log = errands / f"{name}.log"

    def give(self, errand: Errand) -> None:
        """Hand one over; to a new process, where there is none."""
        line = json.dumps({"kind": errand.kind, "arguments": errand.arguments}).encode() + b"\n"
        process = self._living() or self._start()
        try:
            self._write(process, line)
        except BrokenPipeError:  # it had just ended, for want of work
            self._write(self._start(), line)

    def stop(self) -> None:
        """End the process, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _living(self) -> subprocess.Popen[bytes] | None:
        process = self._process
        return process if process is not None and process.poll() is None else None

    def _start(self) -> subprocess.Popen[bytes]:
        self._errands.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "studio.errands.worker", str(self._errands)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # nothing is left to be written when the pipe breaks
            )
        self._process = process
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    @staticmethod
    def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin is not None
        rest = memoryview(line)
        while rest:
            rest = rest[process.stdin.write(rest) :]

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process, io.BufferedReader(cast("io.RawIOBase", process.stdout)) as lines:
            for line in lines:
                self._hear(json.loads(line))
        if process is self._process:  # else it was stopped, and whoever did that knows
            self._died(self, _death(process.returncode))


def _death(code: int) -> str:
    memory = ", most likely for want of memory" if code == -9 else ""
    return f"the process that did it ended with status {code}{memory}; ask again"
