"""Training as one line in the terminal: steps, loss, held-out loss, pictures a second, time left."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from studio.training.listeners import FitListener, StartReport, StepReport, ValidationReport

LOSS_SMOOTHING = 0.95
"""One step's loss says more of its timesteps than of progress; the bar shows a moving average."""


class ProgressBar(FitListener):
    """A rich progress bar; the ``with`` block puts the terminal right whatever happens."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}{task.fields[held_out]}"),
            TextColumn("{task.fields[pace]} images/s"),
            TextColumn("{task.fields[left]} left"),
            console=console,
        )
        self._task: TaskID | None = None
        self._loss: float | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_start(self, report: StartReport) -> None:
        self._task = self._progress.add_task(
            "training",
            total=report.total_steps,
            completed=report.first_step,
            loss="-",
            held_out="",
            pace="-",
            left="?",
        )

    def on_step(self, report: StepReport) -> None:
        if self._task is None:
            return
        previous = report.loss if self._loss is None else self._loss
        self._loss = LOSS_SMOOTHING * previous + (1 - LOSS_SMOOTHING) * report.loss
        self._progress.update(
            self._task,
            completed=report.step,
            loss=f"{self._loss:.4f}",
            pace=f"{report.images_per_second:.1f}",
            left=str(timedelta(seconds=round(report.eta_seconds))),
        )

    def on_validation(self, report: ValidationReport) -> None:
        if self._task is not None:
            self._progress.update(self._task, held_out=f", held out {report.loss:.4f}")

    def on_warning(self, message: str) -> None:
        self._progress.console.print(f"warning: {message}", markup=False, highlight=False)
