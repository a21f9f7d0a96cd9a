"""How fast a run goes, and how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType

from studio.training.listeners import StepReport
from studio.training.settings import OptimizerSettings

_REMEMBERED_STEPS = 20


class StepTimer:
    """Times each ``with`` block as one step; samples and checkpoints stay outside and do not count.

    Attributes:
        seconds: of the last step.
        after_pause: whether something else, such as a sample, came between it and the step before: it
            may have had to warm up again.
    """

    def __init__(self, settings: OptimizerSettings, total_steps: int) -> None:
        self._images_per_step = settings.train_batch_size * settings.gradient_accumulation_steps
        self._total_steps = total_steps
        self._remembered: deque[float] = deque(maxlen=_REMEMBERED_STEPS)
        self._started = self._ended = 0.0
        self.seconds = 0.0
        self.after_pause = True

    def restart(self) -> None:
        """Forget the pace: steps do other work from now on."""
        self._remembered.clear()

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        self.after_pause = self._started - self._ended > self.seconds / 2

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended = time.perf_counter()
        self.seconds = self._ended - self._started
        self._remembered.append(self.seconds)

    def report(
        self,
        step: int,
        loss: float,
        learning_rate: float,
        *,
        gradient_norm: float,
        peak_memory_bytes: int,
    ) -> StepReport:
        """What there is to say of the step just timed; ``step`` counts from 1."""
        seconds_per_step = sum(self._remembered) / len(self._remembered)
        return StepReport(
            step=step,
            total_steps=self._total_steps,
            loss=loss,
            learning_rate=learning_rate,
            images_per_second=self._images_per_step / seconds_per_step,
            eta_seconds=(self._total_steps - step) * seconds_per_step,
            gradient_norm=gradient_norm,
            peak_memory_bytes=peak_memory_bytes,
        )
