"""How freed memory goes back to the system, so that a run takes what its tensors take. No torch."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3  # glibc's malloc.h
LARGE_BYTES = 1 << 20


def return_freed_memory() -> None:
    """Let glibc keep large pieces apart and give each back as soon as it is freed; for the whole process.

    Left alone it raises its limit of "large" when such a piece is freed, to that piece's size and 32 MiB at
    the most. Activations then come from one heap, whose holes fit nothing, and a run holds far more than
    its tensors. Numbers do not change. Elsewhere it does nothing.
    """
    with suppress(OSError, AttributeError):  # another C library, which has limits of its own
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
