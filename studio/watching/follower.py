"""One run, followed through its diary."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from studio.run_folder import RunFolder
from studio.watching.curves import Curve
from studio.watching.tail import EventTail

CURVES = ("loss", "learning_rate", "images_per_second", "peak_memory_bytes")
VALIDATION = "validation"
MOST_WARNINGS = 20


@dataclass
class Followed:
    """What is known of a run.

    Attributes:
        stage: what it does beside training steps; empty while it trains, before and after.
        step, total_steps: optimizer steps; 0 where training has not begun.
        eta_seconds: to the end of training, at the pace of the last steps.
        curves: of `CURVES` by step, and the held-out loss as `VALIDATION`.
        warnings: the newest.
        verdict: evaluation's, in words; empty where there is none.
    """

    stage: str = ""
    step: int = 0
    total_steps: int = 0
    eta_seconds: float = 0.0
    curves: dict[str, Curve] = field(default_factory=lambda: defaultdict(Curve))
    warnings: list[str] = field(default_factory=list)
    verdict: str = ""


class RunFollower:
    """Reads on in a run's diary whenever it is asked. Several threads may ask."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._tail = EventTail(folder.events.path)
        self._lock = threading.Lock()
        self._followed = Followed()

    def look(self) -> Followed:
        """What is known now; the next look may change what is returned."""
        with self._lock:
            events = self._tail.new()
            if self._tail.begins_anew:
                self._followed = Followed()
            for event in events:
                self._take(event)
            return self._followed

    def _take(self, event: dict[str, Any]) -> None:
        known = self._followed
        match event["event"]:
            case "training_started":
                self._goes_on(event["first_step"], event["total_steps"])
            case "step":
                known.stage = ""
                known.step, known.total_steps = event["step"], event["total_steps"]
                known.eta_seconds = event.get("eta_seconds") or 0.0
                for name in CURVES:
                    if event.get(name) is not None:  # null where it was no number
                        known.curves[name].add(event["step"], event[name])
            case "validation":
                if event["loss"] is not None:
                    known.curves[VALIDATION].add(event["step"], event["loss"])
            case "stage":
                known.stage = event["title"]
            case "warning":
                known.warnings = [*known.warnings, event["message"]][-MOST_WARNINGS:]
            case "evaluated":
                known.verdict = event["verdict"]

    def _goes_on(self, first_step: int, total_steps: int) -> None:
        known = self._followed
        known.step, known.total_steps = first_step, total_steps
        for curve in known.curves.values():
            curve.forget_after(first_step)
