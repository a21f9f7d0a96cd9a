"""A grid whose rows and columns are any two of prompt, strength, checkpoint and seed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from PIL import Image

from studio.bases.base_model import BaseModel
from studio.preview.axes import Axes, Point
from studio.preview.comparison import Comparison, Series
from studio.preview.pairs import counting, stated
from studio.preview.sampler import Progress, sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack


def xy_grid(
    base: BaseModel,
    axes: Axes,
    stacks: Mapping[str, Stack],
    settings: SamplingSettings,
    *,
    progress: Progress | None = None,
) -> Comparison:
    """Every picture of a grid; what is put on the base is put on once for each strength.

    Args:
        stacks: by the names in ``axes.checkpoints``.

    Raises:
        AdapterError: a file does not fit the base.
    """
    warnings = tuple(dict.fromkeys(w for stack in stacks.values() for w in stack.warnings(base)))
    drawn = _drawn(base, axes, stacks, settings, progress)
    headings = axes.headings(axes.columns)
    series = [
        Series(
            heading,
            axes.point(0, column).strength,
            tuple(drawn[axes.point(row, column)] for row in range(len(axes.values(axes.rows)))),
        )
        for column, heading in enumerate(headings)
    ]
    return Comparison(
        f"{axes.rows} by {axes.columns}",
        base.name,
        axes.prompts,
        axes.seeds,
        tuple(series),
        stated(settings, base),
        warnings,
        rows=axes.headings(axes.rows),
        fixed=axes.fixed,
    )


def _drawn(
    base: BaseModel,
    axes: Axes,
    stacks: Mapping[str, Stack],
    settings: SamplingSettings,
    progress: Progress | None,
) -> dict[Point, Image.Image]:
    each = list(product(axes.prompts, axes.seeds))
    put_on = list(product(axes.checkpoints, axes.strengths))
    drawn: dict[Point, Image.Image] = {}
    for name, strength in put_on:
        so_far = counting(progress, len(drawn), len(put_on) * len(each))
        with stacks[name].applied(base, strength):
            pictures = sample(base, axes.prompts, axes.seeds, settings, so_far)
        for (prompt, seed), picture in zip(each, pictures, strict=True):
            drawn[Point(prompt, strength, name, seed)] = picture
    return drawn
