"""What stands under a name of the file system, in a reader's words."""

from __future__ import annotations

import stat

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """``st_mode`` in words, e.g. ``a named pipe``."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "a file")
