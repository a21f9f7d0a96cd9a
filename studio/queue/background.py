"""Starting and ending the worker of a folder of runs, from a process that need not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from studio.errors import QueueError
from studio.queue import held
from studio.queue.log import Log
from studio.queue.places import Places

_SECONDS = 30.0


def pid(places: Places) -> int | None:
    """The process number of the worker; None where none lives."""
    if not held.is_held(places.worker_lock):
        return None
    text = places.worker_lock.read_text("ascii")
    return int(text) if text.isdecimal() else None


def start(places: Places) -> int:
    """Start a worker unless there is one; returns the number of the one that lives.

    Raises:
        QueueError: it did not come up; says why.
    """
    try:
        places.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(places.folder / "starting.lock"):  # one at a time: none comes too late
            return pid(places) or _started(places)
    except OSError as error:
        raise QueueError(f"cannot start a worker in {places.runs}: {error.strerror}") from error


def stop(places: Places) -> bool:
    """End the worker and wait until it is gone; what trains goes on. False where there is none."""
    there = pid(places)
    if there is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(there, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS
    while pid(places) == there:
        if time.monotonic() > deadline:
            raise QueueError(f"the worker, process {there}, does not end")
        time.sleep(0.02)
    return True


def module_command(module: str, runs: Path) -> list[str]:
    """-P: a user's random.py in the working folder must not be taken for Python's."""
    return [sys.executable, "-P", "-m", module, str(runs)]


def _started(places: Places) -> int:
    process = _spawned(places)
    deadline = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if pid(places) == process.pid:
            return process.pid
        time.sleep(0.02)
    reason = Log(places.worker_log).error() or f"see {places.worker_log}"
    raise QueueError(f"the worker did not start: {reason}")


def _spawned(places: Places) -> subprocess.Popen[bytes]:
    log = Log(places.worker_log).open("worker")
    try:
        process = subprocess.Popen(
            module_command("studio.queue.worker", places.runs),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # neither Ctrl-C nor a closed terminal is meant for it
        )
    finally:
        os.close(log)
    # Where the caller outlives the worker, it must not stay as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
