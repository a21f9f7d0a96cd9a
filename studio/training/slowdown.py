"""Whether steps have become much slower than they were.

A GPU's driver that runs out of memory may go on in the machine's, and a machine's system on its disk,
without a word and many times slower; the pace is all there is to see of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

import torch

from studio.training.memory_use import memory_in_use

WARM_UP_STEPS = 3
"""First steps, which also pay for allocations and the choice of kernels."""

BASELINE_STEPS = 10
"""Steps after those whose median is the pace that later ones are held against."""

RECENT_STEPS = 5
"""At least so many steps' median is the pace now: more than half of them must be slow."""

RECENT_SECONDS = 10.0
"""And steps of at least so long: where they are short, another program may be busy for as long as a few."""

SLOW = 3.0
"""Times the first pace from which on it is told."""

RECOVERED = 1.5
"""Times the first pace below which a slow phase is over."""


@dataclass(frozen=True)
class SlowPhase:
    """Steps that take too long.

    Attributes:
        since_step: the first of the recent steps that was slow.
        seconds: median of the recent steps.
        times: as long as at first.
    """

    since_step: int
    seconds: float
    times: float


class SlowdownWatch:
    """Finds slow phases in the seconds that steps take; each is told of once."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Learn the pace anew, for steps that do other work from now on."""
        self._warm_up_left = WARM_UP_STEPS
        self._first: list[float] = []
        self._recent: deque[tuple[int, float]] = deque()
        self._recent_seconds = 0.0
        self._is_slow = False

    def add(self, step: int, seconds: float) -> SlowPhase | None:
        """Take in a step; returns the slow phase where one has just been recognised."""
        if self._warm_up_left:
            self._warm_up_left -= 1
            return None
        if len(self._first) < BASELINE_STEPS:
            self._first.append(seconds)
            return None
        if not self._remember(step, seconds):
            return None
        usual = median(self._first)
        now = median(seconds for _, seconds in self._recent)
        if self._is_slow:
            self._is_slow = now >= RECOVERED * usual
            return None
        if now <= SLOW * usual:
            return None
        self._is_slow = True
        since = next(step for step, seconds in self._recent if seconds > SLOW * usual)
        return SlowPhase(since, now, now / usual)

    def _remember(self, step: int, seconds: float) -> bool:
        """Whether there are enough recent steps to speak of a pace."""
        self._recent.append((step, seconds))
        self._recent_seconds += seconds
        while len(self._recent) > RECENT_STEPS:
            without_oldest = self._recent_seconds - self._recent[0][1]
            if without_oldest < RECENT_SECONDS:
                break
            self._recent.popleft()
            self._recent_seconds = without_oldest
        return len(self._recent) >= RECENT_STEPS and self._recent_seconds >= RECENT_SECONDS


def slowdown_warning(phase: SlowPhase, device: torch.device) -> str:
    """A slow phase in one line: how slow, since when, why probably, what to do."""
    if device.type == "cuda":
        why = "GPU memory has probably spilled into system memory"
    else:
        why = "memory has probably been swapped to disk"
    return (
        f"steps take {_seconds(phase.seconds)} since step {phase.since_step}, {phase.times:.1f} times as "
        f"long as at first: {why}, or another program is busy ({memory_in_use(device)}); close other "
        "programs, or train anew with a lower optimizer.train_batch_size or dataset.resolution"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
