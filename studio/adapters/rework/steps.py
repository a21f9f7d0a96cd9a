"""How far long work is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Step = Callable[[int, int], None]
"""Told how many of how many are done."""
Watch = Callable[[str], AbstractContextManager[Step]]
"""From a sentence about some work to whom its steps are told, for the length of a ``with`` block."""


def unseen(_done: int, _total: int) -> None:
    """A `Step` that nobody watches."""


@contextmanager
def unwatched(_title: str) -> Iterator[Step]:
    """A `Watch` of nobody's."""
    yield unseen


class Ticks:
    """Counts work of several stages as one; to be called after each piece."""

    def __init__(self, step: Step, total: int) -> None:
        self._step, self._total, self._done = step, total, 0

    def __call__(self) -> None:
        self._done += 1
        self._step(self._done, self._total)
