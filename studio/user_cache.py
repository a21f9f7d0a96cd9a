"""Where the studio keeps what only saves time: deleting the folder loses nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/adapter-studio``; by default ``~/.cache``, ``%LOCALAPPDATA%`` on Windows."""
    home = os.environ.get("XDG_CACHE_HOME")
    if not home and sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA")
    return Path(home or "~/.cache").expanduser() / "adapter-studio"
