"""What the engine tells those who watch: the progress bar, the event log, the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StartReport:
    """A run as it begins or goes on.

    Attributes:
        first_step: optimizer steps already done, from a checkpoint; 0 for a new run.
        total_steps: the run's length; for a budget in minutes, fixed now.
        num_images: pictures trained on.
        images_per_step: pictures to one optimizer step.
    """

    first_step: int
    total_steps: int
    num_images: int
    images_per_step: int


@dataclass(frozen=True)
class StepReport:
    """One optimizer step, just done; the first is step 1.

    Attributes:
        loss: mean over the step's pictures.
        learning_rate: of the first parameter group, as used in this step.
        images_per_second: mean of the last steps.
        eta_seconds: time to the end at that pace.
        gradient_norm: length of the gradient before it was shortened to ``optimizer.max_grad_norm``.
        peak_memory_bytes: the most memory held so far: on a GPU by tensors since training began, else
            by the whole process since it began; 0: not measured.
    """

    step: int
    total_steps: int
    loss: float
    learning_rate: float
    images_per_second: float
    eta_seconds: float
    gradient_norm: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True)
class ValidationReport:
    """The held-out loss after a step; step 0 is before training.

    Attributes:
        loss: mean over pictures and timesteps.
        by_timestep: mean over pictures.
    """

    step: int
    loss: float
    by_timestep: dict[int, float]


class FitListener:
    """Hears of everything that happens in a run. Override what is of interest."""

    def on_start(self, report: StartReport) -> None: ...

    def on_step(self, report: StepReport) -> None: ...

    def on_validation(self, report: ValidationReport) -> None: ...

    def on_checkpoint(self, step: int, folder: Path) -> None: ...

    def on_warning(self, message: str) -> None: ...

    def on_end(self, step: int) -> None: ...


class Listeners(FitListener):
    """Several listeners as one, told in order."""

    def __init__(self, *listeners: FitListener) -> None:
        self._listeners = listeners

    def on_start(self, report: StartReport) -> None:
        for listener in self._listeners:
            listener.on_start(report)

    def on_step(self, report: StepReport) -> None:
        for listener in self._listeners:
            listener.on_step(report)

    def on_validation(self, report: ValidationReport) -> None:
        for listener in self._listeners:
            listener.on_validation(report)

    def on_checkpoint(self, step: int, folder: Path) -> None:
        for listener in self._listeners:
            listener.on_checkpoint(step, folder)

    def on_warning(self, message: str) -> None:
        for listener in self._listeners:
            listener.on_warning(message)

    def on_end(self, step: int) -> None:
        for listener in self._listeners:
            listener.on_end(step)
