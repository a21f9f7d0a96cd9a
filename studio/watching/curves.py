"""What was measured at each step, thinned to what a screen can show."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SCREEN_POINTS = 300
SMOOTHING = 0.95
"""One step's loss says more of its timesteps than of progress; as the terminal's bar smooths it."""


@dataclass(frozen=True)
class Point:
    """One point of a curve: the mean of the steps up to and with ``step``."""

    step: int
    value: float


class Curve:
    """Values by step, in rising order; steps that a resumed run does again replace what they were."""

    def __init__(self) -> None:
        self._steps = array("q")
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, value: float) -> None:
        self.forget_after(step - 1)
        self._steps.append(step)
        self._values.append(value)

    def forget_after(self, step: int) -> None:
        """A run went on from a checkpoint: what came after it is to come again."""
        if self._steps and self._steps[-1] > step:
            kept = bisect_right(self._steps, step)
            del self._steps[kept:], self._values[kept:]

    def points(self, most: int = SCREEN_POINTS) -> list[Point]:
        """At most so many points, each the mean of equally many neighbours, the last one of fewer."""
        return list(_thinned(self._steps, self._values, most))

    def smoothed(self, most: int = SCREEN_POINTS) -> list[Point]:
        """The moving average that a single noisy step does not move."""
        means = array("d")
        for value in self._values:
            before = means[-1] if means else value
            means.append(SMOOTHING * before + (1 - SMOOTHING) * value)
        return [
            Point(step, means[bisect_right(self._steps, step) - 1])
            for step in (point.step for point in self.points(most))
        ]


def _thinned(steps: Sequence[int], values: Sequence[float], most: int) -> Iterator[Point]:
    each = max(1, -(-len(steps) // most))
    for begin in range(0, len(steps), each):
        part = values[begin : begin + each]
        yield Point(steps[begin + len(part) - 1], sum(part) / len(part))
