"""Locks that say whether a process lives: the system takes them away with it, however it ends.

A process number and a starting time would be a guess: numbers are given again, and clocks are set.
These are `flock`'s, which belong to an open file and so outlast ``exec``.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


def hold(path: Path) -> int | None:
    """Take the lock for as long as the returned descriptor is open; None where another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    while not _locked(descriptor, fcntl.LOCK_EX):
        if not _locked(descriptor, fcntl.LOCK_SH):
            os.close(descriptor)
            return None
        # Nobody has it; somebody only asks, and takes it for an instant, as this process does here.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.001)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living process has the lock. Many may ask at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
