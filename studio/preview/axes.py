"""The two things in which the pictures of a grid differ, and what they all share. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from studio.errors import UserError

Axis = Literal["prompt", "strength", "checkpoint", "seed"]
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True)
class Point:
    """Everything that decides one picture of a grid, beside the settings of all."""

    prompt: str
    strength: float
    checkpoint: str
    seed: int


@dataclass(frozen=True)
class Axes:
    """Rows and columns of a grid.

    Attributes:
        rows, columns: what differs downwards and to the right.
        prompts, strengths, checkpoints, seeds: the values of each; one, where it is no axis.
            A checkpoint is the heading of what is put on the base.
    """

    rows: Axis
    columns: Axis
    prompts: tuple[str, ...]
    strengths: tuple[float, ...]
    checkpoints: tuple[str, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.rows == self.columns:
            raise UserError(f"rows and columns both are {self.rows}; choose two different ones")
        for axis in AXES:
            count = len(self.values(axis))
            if count == 0 or (count > 1 and axis not in (self.rows, self.columns)):
                raise UserError(
                    f"a grid of {self.rows} and {self.columns} is drawn with one {axis}, but "
                    f"{count or 'none'} was given"
                )

    def values(self, axis: Axis) -> Sequence[object]:
        by_axis: dict[Axis, Sequence[object]] = {
            "prompt": self.prompts,
            "strength": self.strengths,
            "checkpoint": self.checkpoints,
            "seed": self.seeds,
        }
        return by_axis[axis]

    def headings(self, axis: Axis) -> tuple[str, ...]:
        """What stands before the rows or above the columns of an axis."""
        return tuple(_heading(axis, value) for value in self.values(axis))

    @property
    def fixed(self) -> str:
        """What all pictures share."""
        others = (axis for axis in AXES if axis not in (self.rows, self.columns))
        return " · ".join(self.headings(axis)[0] for axis in others)

    def point(self, row: int, column: int) -> Point:
        """What the picture in a row and a column is drawn with."""
        place = {self.rows: row, self.columns: column}
        return Point(
            self.prompts[place.get("prompt", 0)],
            self.strengths[place.get("strength", 0)],
            self.checkpoints[place.get("checkpoint", 0)],
            self.seeds[place.get("seed", 0)],
        )


def _heading(axis: Axis, value: object) -> str:
    if axis == "strength":
        return f"strength {value:g}"
    return f"seed {value}" if axis == "seed" else str(value)
