"""All runs in one list, read again only where something has changed."""

from __future__ import annotations

import threading
from pathlib import Path

from studio.run_folder import RunFolder, RunSummary, runs_in

Stamp = tuple[tuple[int, int] | None, ...]


class RunIndex:
    """The runs of one folder. Several threads may ask."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[Stamp, RunSummary]] = {}

    def all(self) -> list[RunSummary]:
        """Newest first, as `studio.run_folder.list_runs`."""
        with self._lock:
            paths = runs_in(self._runs)
            self._known = {path: self._up_to_date(RunFolder(path)) for path in paths}
            summaries = [summary for _, summary in self._known.values()]
        return sorted(summaries, key=lambda s: (-s.created, s.name))

    def _up_to_date(self, folder: RunFolder) -> tuple[Stamp, RunSummary]:
        stamp = tuple(
            _stamp(path)
            for path in (
                folder.recipe_path,
                folder.lock_path,
                folder.events.path,
                folder.status_path,
            )
        )
        before = self._known.get(folder.path)
        # A trainer that is killed leaves no trace in its files: what was running is looked at again.
        if before is None or before[0] != stamp or before[1].state == "running":
            return stamp, folder.summary()
        return before


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
