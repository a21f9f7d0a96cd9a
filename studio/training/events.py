"""The engine's reports as events: plain dictionaries for a log of JSON lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.training.listeners import FitListener, StartReport, StepReport, ValidationReport

Append = Callable[[dict[str, Any]], None]


class EventListener(FitListener):
    """Hands every report to ``append`` as ``{"event": name, ...}``; time stamps are the log's matter."""

    def __init__(self, append: Append) -> None:
        self._append = append
        self._peak_memory_bytes = 0

    def on_start(self, report: StartReport) -> None:
        self._append({"event": "training_started", **asdict(report)})

    def on_step(self, report: StepReport) -> None:
        self._peak_memory_bytes = report.peak_memory_bytes
        self._append({"event": "step", **asdict(report)})

    def on_validation(self, report: ValidationReport) -> None:
        by_timestep = {str(t): _or_none(loss) for t, loss in report.by_timestep.items()}
        self._append({"event": "validation", **asdict(report), "by_timestep": by_timestep})

    def on_checkpoint(self, step: int, folder: Path) -> None:
        self._append({"event": "checkpoint", "step": step, "folder": folder.name})

    def on_warning(self, message: str) -> None:
        self._append({"event": "warning", "message": message})

    def on_end(self, step: int) -> None:
        # Where nothing was left to train, nothing was measured.
        peak = {"peak_memory_bytes": self._peak_memory_bytes} if self._peak_memory_bytes else {}
        self._append({"event": "training_ended", "step": step, **peak})


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
