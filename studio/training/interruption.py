"""Ctrl-C without losing work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user asked to stop."""

    requested = False


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Turn the first Ctrl-C within the block into a request; the second one aborts at once.

    Outside the main thread, where Python delivers no signals, nothing is changed.
    """
    wish = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        wish.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)
