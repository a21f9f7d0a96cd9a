"""How fast a run goes, and how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType

from studio.training.listeners import StepReport
from studio.training.settings import OptimizerSettings

_REMEMBERED_STEPS = 20


class StepTimer:
    """Times each ``with`` block as one step; samples and checkpoints stay outside and do not count."""

    def __init__(self, settings: OptimizerSettings, total_steps: int) -> None:
        self._images_per_step = settings.train_batch_size * settings.gradient_accumulation_steps
        self._total_steps = total_steps
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED_STEPS)
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._seconds.append(time.perf_counter() - self._started)

    def report(
        self, step: int, loss: float, learning_rate: float, gradient_norm: float
    ) -> StepReport:
        """What there is to say of the step just timed; ``step`` counts from 1."""
        seconds_per_step = sum(self._seconds) / len(self._seconds)
        return StepReport(
            step=step,
            total_steps=self._total_steps,
            loss=loss,
            learning_rate=learning_rate,
            images_per_second=self._images_per_step / seconds_per_step,
            eta_seconds=(self._total_steps - step) * seconds_per_step,
            gradient_norm=gradient_norm,
        )
