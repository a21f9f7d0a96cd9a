"""Everybody who watches one folder of runs, sharing what was read."""

from __future__ import annotations

import threading
from pathlib import Path

from studio.run_folder import RunFolder
from studio.watching.follower import Followed, RunFollower
from studio.watching.index import RunIndex


class Watch:
    """The list of runs, and a follower for each run that somebody looks at."""

    def __init__(self, runs: Path) -> None:
        self.runs = RunIndex(runs)
        self._lock = threading.Lock()
        self._followers: dict[Path, RunFollower] = {}

    def look(self, folder: RunFolder) -> Followed:
        """See `RunFollower.look`."""
        with self._lock:
            follower = self._followers.setdefault(folder.path, RunFollower(folder))
        return follower.look()
