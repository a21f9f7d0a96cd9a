"""Runs and checkpoints beside each other: what they took, how well they work, and in what they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from studio.contender import HEADINGS, UNKNOWN, Contender
from studio.errors import StudioError
from studio.evaluation.result import EvaluationReport
from studio.recipe.difference import difference
from studio.run_folder import RunFolder
from studio.workplace.adapters_found import FoundAdapter

SUBJECTS = ("a red heart", "a cat")
MOST_PROMPTS = 3
REMEMBERED = 128


def figures(found: Sequence[FoundAdapter]) -> dict[str, list[str]]:
    """By what was measured, a cell for each; of a checkpoint only what a checkpoint says."""
    rows = [_cells(adapter) for adapter in found]
    return dict(zip(HEADINGS, map(list, zip(*rows, strict=True)), strict=True))


def report_of(adapter: FoundAdapter) -> EvaluationReport | None:
    """How well an adapter works, where that was measured: at the end of its run."""
    contender = _contender(adapter)
    return contender.report if contender is not None else None


def recipe_rows(found: Sequence[FoundAdapter]) -> dict[str, list[str]]:
    """Every setting in which some recipe differs from the first, a cell for each."""
    recipes = [
        RunFolder(adapter.run).intended_recipe() for adapter in found if adapter.run is not None
    ]
    rows: dict[str, list[str]] = {}
    for number, recipe in enumerate(recipes[1:], start=1):
        for path, before, after in (change.row() for change in difference(recipes[0], recipe)):
            rows.setdefault(path, [before] * len(recipes))[number] = after
    return rows


def common_prompts(found: Sequence[FoundAdapter]) -> list[str]:
    """What to draw with all of them: what one was measured on, or else simple subjects."""
    reports = (report_of(adapter) for adapter in found)
    measured = next((report.prompts for report in reports if report is not None), SUBJECTS)
    return list(dict.fromkeys(measured))[:MOST_PROMPTS]


def _cells(adapter: FoundAdapter) -> tuple[str, ...]:
    contender = _contender(adapter)
    if contender is not None:
        return contender.cells()
    return tuple(_of_checkpoint(adapter))


def _of_checkpoint(adapter: FoundAdapter) -> Iterator[str]:
    yield adapter.kind
    yield str(adapter.checkpoints[-1]) if adapter.checkpoints else UNKNOWN
    yield from (UNKNOWN,) * (len(HEADINGS) - 2)


def _contender(adapter: FoundAdapter) -> Contender | None:
    if adapter.run is None or not adapter.files:
        return None
    report = RunFolder(adapter.run).report_path
    measured_ns = report.stat().st_mtime_ns if report.is_file() else 0
    return _read(adapter.run, adapter.written, measured_ns)


@lru_cache(maxsize=REMEMBERED)
def _read(run: Path, _written: str, _measured_ns: int) -> Contender | None:
    """What the file and the report of these times say."""
    try:
        return Contender.of(RunFolder(run))
    except (StudioError, KeyError, TypeError, ValueError):  # ended otherwise, or a report of before
        return None
