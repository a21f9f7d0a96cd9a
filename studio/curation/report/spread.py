"""Where every picture stands on a check's scale: a strip of dots, drawn once for each check."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from studio.curation.manifest import CuratedSet, Finding, Picture

WIDTH, HEIGHT = 360, 48
_COLUMNS, _ROWS = 60, 8
_STEP_X, _STEP_Y = WIDTH / _COLUMNS, HEIGHT / _ROWS
_FEWEST = 3  # scores that make a spread
_DECADES_FOR_LOG = 3.0


@dataclass(frozen=True)
class Spread:
    """One check's strip, in a drawing of `WIDTH` by `HEIGHT`.

    Attributes:
        lowest, highest: the ends of the scale, in the check's unit.
        threshold: the limit, where all its findings have the same; None otherwise.
        threshold_x: its place.
        fine, flagged: SVG paths; a dot is a picture without and with a finding of the check.
        pictures_a_dot: more than 1 in sets too large for a dot each.
        places: each scored picture's place, by name.
    """

    check: str
    lowest: float
    highest: float
    threshold: float | None
    threshold_x: float
    fine: str
    flagged: str
    num_flagged: int
    pictures_a_dot: int
    places: dict[str, float]

    @property
    def title(self) -> str:
        return self.check.replace("_", " ")


def spreads(curated: CuratedSet) -> dict[str, Spread]:
    """A strip for each check that scored pictures differently, by its name."""
    checks = sorted({check for p in curated.pictures for check in p.scores})
    strips = (_spread(check, curated.pictures) for check in checks)
    return {strip.check: strip for strip in strips if strip}


def _spread(check: str, pictures: Iterable[Picture]) -> Spread | None:
    scored = [p for p in pictures if check in p.scores]
    values = [p.scores[check] for p in scored]
    if len(values) < _FEWEST or min(values) == max(values):
        return None
    said = {p.name: [f for f in p.findings if f.check == check] for p in scored}
    threshold = _common_threshold(f for findings in said.values() for f in findings)
    scale = _Scale.over(values if threshold is None else [*values, threshold])
    places = {p.name: scale.place(p.scores[check]) for p in scored}
    a_dot = _pictures_a_dot(places.values())
    return Spread(
        check,
        scale.lowest,
        scale.highest,
        threshold,
        0.0 if threshold is None else scale.place(threshold),
        *_dots(places, {name for name, findings in said.items() if findings}, a_dot),
        num_flagged=sum(1 for findings in said.values() if findings),
        pictures_a_dot=a_dot,
        places=places,
    )


def _common_threshold(findings: Iterable[Finding]) -> float | None:
    thresholds = {f.threshold for f in findings}
    return thresholds.pop() if len(thresholds) == 1 else None


@dataclass(frozen=True)
class _Scale:
    """From a check's unit to a place; logarithmic where values differ by factors of thousands."""

    lowest: float
    highest: float
    is_log: bool

    @classmethod
    def over(cls, values: list[float]) -> _Scale:
        lowest, highest = min(values), max(values)
        is_log = lowest > 0 and math.log10(highest / lowest) > _DECADES_FOR_LOG
        return cls(lowest, highest, is_log)

    def place(self, value: float) -> float:
        low, high, at = self.lowest, self.highest, value
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return round((at - low) / (high - low) * (WIDTH - _STEP_X) + _STEP_X / 2, 1)


def _column(place: float) -> int:
    return min(int(place / _STEP_X), _COLUMNS - 1)


def _pictures_a_dot(places: Iterable[float]) -> int:
    fullest = max(Counter(_column(place) for place in places).values())
    return math.ceil(fullest / _ROWS)


def _dots(places: dict[str, float], flagged: set[str], a_dot: int) -> tuple[str, str]:
    """Paths of dots stacked in columns from the ground up, those without a finding below."""
    fine = Counter(_column(at) for name, at in places.items() if name not in flagged)
    marked = Counter(_column(at) for name, at in places.items() if name in flagged)
    below = {column: math.ceil(count / a_dot) for column, count in fine.items()}
    fine_path = "".join(_stack(c, 0, height) for c, height in sorted(below.items()))
    marked_path = "".join(
        _stack(c, below.get(c, 0), math.ceil(count / a_dot)) for c, count in sorted(marked.items())
    )
    return fine_path, marked_path


def _stack(column: int, below: int, height: int) -> str:
    """Lines of no length, which round ends make dots."""
    x = (column + 0.5) * _STEP_X
    rows = range(min(below, _ROWS - 1), min(below + height, _ROWS))
    return "".join(f"M{x:g} {HEIGHT - (row + 0.5) * _STEP_Y:g}h0" for row in rows)
