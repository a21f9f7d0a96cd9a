"""Where errands are asked for and asked after."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.errands.errand import Errand, Standing
from studio.errands.kinds import KINDS
from studio.errands.lane import Lane
from studio.errands.worker import RESULT

REMEMBERED = 500
"""Errands that are over and still known; those that are kept can be read again from their folder."""

UNKNOWN = Standing("failed", error="nobody has asked for it")


class Desk:
    """Takes errands from any thread, and knows how each stands.

    Args:
        folder: for errands that are kept, and the lanes' logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._standings: dict[str, Standing] = {}
        self._errands: dict[str, Errand] = {}
        self._waiting: dict[str, list[Errand]] = {}
        self._at_work: dict[str, Errand] = {}
        self._lanes: dict[str, Lane] = {}

    def ask(self, errand: Errand, *, anew: bool = False) -> Standing:
        """Have it done, unless it is under way or was done; returns at once.

        Args:
            anew: also when it was done or has failed.
        """
        with self._lock:
            standing = self._known(errand)
            if standing is not None and not (anew and standing.is_over):
                return standing
            self._errands[errand.key] = errand
            self._standings.pop(errand.key, None)
            self._standings[errand.key] = Standing("waiting")
            self._forget_oldest()
            lane = KINDS[errand.kind].lane
            self._waiting.setdefault(lane, []).append(errand)
            self._go_on(lane)
            return self._standings[errand.key]

    def standing(self, errand: Errand) -> Standing:
        """How it stands now; failed, where nobody asked for it."""
        with self._lock:
            return self._known(errand) or UNKNOWN

    def under_way(self, kind: str) -> list[Errand]:
        """What waits or is being done of a kind, in the order of asking."""
        with self._lock:
            return [
                errand
                for key, errand in self._errands.items()
                if errand.kind == kind and not self._standings[key].is_over
            ]

    def cancel(self, errand: Errand) -> None:
        """Give up on it; the process that is at it is ended."""
        with self._lock:
            lane = KINDS[errand.kind].lane
            waiting = self._waiting.get(lane, [])
            if errand in waiting:
                waiting.remove(errand)
            elif self._at_work.get(lane) == errand:
                del self._at_work[lane]
                self._lanes[lane].stop()
            else:
                return
            self._standings[errand.key] = Standing("failed", error="cancelled")
            self._go_on(lane)

    def close(self) -> None:
        """End every lane's process."""
        with self._lock:
            self._waiting.clear()
            self._at_work.clear()
            for lane in self._lanes.values():
                lane.stop()

    def _known(self, errand: Errand) -> Standing | None:
        standing = self._standings.get(errand.key)
        if standing is None and KINDS[errand.kind].is_kept:
            result = _result(self.folder / errand.key / RESULT)
            return None if result is None else Standing("done", result=result)
        return standing

    def _go_on(self, lane: str) -> None:
        if lane in self._at_work or not self._waiting.get(lane):
            return
        errand = self._at_work[lane] = self._waiting[lane].pop(0)
        if lane not in self._lanes:
            self._lanes[lane] = Lane(lane, self.folder, self._hear, self._died)
        self._lanes[lane].give(errand)

    def _hear(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            content = {k: v for k, v in message.items() if k != "key"}
            standing = Standing(**content)
            at_work = {errand.key: lane for lane, errand in self._at_work.items()}
            lane = at_work.get(message["key"])
            if lane is None:  # cancelled meanwhile
                return
            self._standings[message["key"]] = standing
            if standing.is_over:
                del self._at_work[lane]
                self._go_on(lane)

    def _died(self, lane: Lane, why: str) -> None:
        with self._lock:
            errand = self._at_work.pop(lane.name, None)
            if errand is not None:
                before = self._standings[errand.key]
                self._standings[errand.key] = replace(before, state="failed", error=why)
            self._go_on(lane.name)

    def _forget_oldest(self) -> None:
        over = [key for key, standing in self._standings.items() if standing.is_over]
        for key in over[: max(0, len(self._standings) - REMEMBERED)]:
            del self._standings[key], self._errands[key]


def _result(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content
