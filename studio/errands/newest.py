"""Caches of folders that do not grow without end."""

from __future__ import annotations

import shutil
from pathlib import Path


def keep_newest(cache: Path, count: int, used: Path) -> None:
    """Mark a folder of a cache as used just now, and delete all but the so many used last."""
    used.touch()
    folders = sorted(cache.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
    for folder in folders[:-count]:
        shutil.rmtree(folder, ignore_errors=True)
