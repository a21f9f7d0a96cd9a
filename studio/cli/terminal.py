"""A run as the terminal shows it: stages, the training bar, notes. All on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from studio.curation.summary import printable, verdict
from studio.reporter import Progress, Reporter

if TYPE_CHECKING:
    from studio.bases.identity import BaseIdentity
    from studio.curation.manifest import CuratedSet
    from studio.recipe import Recipe
    from studio.training.listeners import FitListener


class TerminalReporter(Reporter):
    """Bars where there is a terminal, plain lines where there is none."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def note(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def curated(self, curated: CuratedSet) -> None:
        self.note(printable(verdict(curated)))

    def begins(self, recipe: Recipe, identity: BaseIdentity, curated: CuratedSet) -> None:
        from studio.planning import plan_line

        self.note(plan_line(recipe, identity, curated))

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        if not self._console.is_terminal:
            self.note(title)
            yield lambda _done, _total: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    @contextmanager
    def training(self) -> Iterator[FitListener]:
        from studio.training.progress import ProgressBar

        with ProgressBar(self._console) as bar:
            yield bar
