"""What a run tells whoever watches it. This one is silent; the terminal and the dashboard override it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.bases.identity import BaseIdentity
    from studio.curation.manifest import CuratedSet
    from studio.events import EventLog
    from studio.recipe import Recipe
    from studio.training.listeners import FitListener

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


class Reporter:
    """Hears of every stage of a run. Override what is of interest."""

    def note(self, line: str) -> None:
        """Something worth a line of its own."""

    def curated(self, curated: CuratedSet) -> None:
        """The set has been judged; it may still be refused."""

    def begins(self, recipe: Recipe, identity: BaseIdentity, curated: CuratedSet) -> None:
        """Nothing stands against the run; no model has been loaded and no folder made."""

    @contextmanager
    def stage(self, _title: str) -> Iterator[Progress]:
        """A stage with countable work lasts as long as the ``with`` block."""
        yield lambda _done, _total: None

    @contextmanager
    def training(self) -> Iterator[FitListener]:
        """Training lasts as long as the ``with`` block; the listener hears of its steps."""
        from studio.training.listeners import FitListener

        yield FitListener()


class DiaryReporter(Reporter):
    """Passes everything on, and leaves a line of each stage in the run's diary for those who read that."""

    def __init__(self, reporter: Reporter, events: EventLog) -> None:
        self._reporter, self._events = reporter, events

    def note(self, line: str) -> None:
        self._reporter.note(line)

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        self._events.append("stage", title=title)
        with self._reporter.stage(title) as progress:
            yield progress

    @contextmanager
    def training(self) -> Iterator[FitListener]:
        with self._reporter.training() as listener:
            yield listener
