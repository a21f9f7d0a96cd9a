"""The errand ``draw``: pictures of a base model, with adapters and without.

Arguments are a `DrawingOrder`. The result::

    pictures   file, row, column, prompt, seed, adapter, strength and checkpoint of each, row by row
    grid       all of them on one labelled sheet
    warnings   what speaks against an adapter on this base
    settings   how they were drawn, with what was left to the base filled in
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from studio import atomic
from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.errands.base_at_hand import base_at_hand
from studio.errands.checkpoint_files import checkpoint_files
from studio.errands.drawing_order import Applied, DrawingOrder
from studio.errands.kinds import Tell
from studio.machine import idle_cores
from studio.preview.axes import Axes
from studio.preview.comparison import Comparison
from studio.preview.grid import save_grid
from studio.preview.pairs import SWEEP_STRENGTHS, sample_pairs, strength_sweep
from studio.preview.sampler import Progress
from studio.preview.stack import Stack
from studio.preview.xy_grid import xy_grid
from studio.recipe import validated

GRID = "grid.png"
BASE = "base"

Drawn = tuple[dict[str, Any], Image.Image]
"""What is said of a picture, and the picture."""


def draw(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Draw what is ordered into ``folder``; the base is left as it was.

    Raises:
        UserError: base, adapters or prompts will not do.
    """
    order = validated(DrawingOrder, dict(arguments))
    stacks = _of_files(order)
    tell("loading the base model", 0, 0)
    base = base_at_hand(order.base_model, order.base, order.sampling)
    stacks |= _of_checkpoints(order, base, folder.parent.parent / "checkpoint-adapters", tell)
    torch.set_num_threads(idle_cores())
    comparison, drawn = _WAYS[order.mode](
        order,
        base,
        {applied.name: stacks[applied.name] for applied in order.adapters},
        lambda done, total: tell("drawing", done, total),
    )
    pictures = [_saved(facts, picture, n, folder) for n, (facts, picture) in enumerate(drawn)]
    save_grid(comparison, folder / GRID)
    return {
        "pictures": pictures,
        "grid": GRID,
        "warnings": list(comparison.warnings),
        "settings": comparison.sampling.model_dump(mode="json"),
    }


def _of_files(order: DrawingOrder) -> dict[str, Stack]:
    """What is exported already, by name; refused here if it is for another family, before a base is
    loaded.
    """
    identity = identify_base(order.base_model, vae=order.base.vae)
    stacks = {a.name: Stack.read(a.files, _share(order, a)) for a in order.adapters if a.files}
    for stack in stacks.values():
        stack.warnings(identity)
    return stacks


def _of_checkpoints(
    order: DrawingOrder, base: BaseModel, cache: Path, tell: Tell
) -> dict[str, Stack]:
    stacks = {}
    for applied in order.adapters:
        if applied.run is not None and applied.checkpoint is not None:
            tell(f"restoring the checkpoint of step {applied.checkpoint}", 0, 0)
            files = checkpoint_files(applied.run, applied.checkpoint, base, cache)
            stacks[applied.name] = Stack.read(files, _share(order, applied))
    return stacks


def _share(order: DrawingOrder, applied: Applied) -> float:
    """Of the strength that pictures are drawn at: what that one does not say already."""
    is_mixed = order.mode == "pairs" or (len(order.adapters) > 1 and not order.is_of_checkpoints)
    return applied.strength if is_mixed else 1.0


def _saved(facts: dict[str, Any], picture: Image.Image, number: int, folder: Path) -> Any:
    file = f"{number:03d}.png"
    with atomic.replacing(folder / file) as temporary:
        picture.save(temporary, format="PNG")
    return {"file": file, **facts}


def _pairs(
    order: DrawingOrder, base: BaseModel, stacks: Mapping[str, Stack], progress: Progress
) -> tuple[Comparison, Iterator[Drawn]]:
    headings = [BASE, *stacks]
    if order.together and stacks:
        stacks = {_joined_name(stacks): Stack.joined(stacks.values())}
        headings = [BASE, *stacks]
    sampling = order.sampling.model_copy(update={"strength": 1.0})
    drawn = sample_pairs(
        base,
        list(stacks.values()),
        sampling.prompts,
        sampling.seeds,
        sampling,
        progress=progress,
    )
    return _listed(order, replace(drawn, title=" · ".join(headings[1:]) or base.name), headings)


def _sweep(
    order: DrawingOrder, base: BaseModel, stacks: Mapping[str, Stack], progress: Progress
) -> tuple[Comparison, Iterator[Drawn]]:
    drawn = strength_sweep(
        base,
        Stack.joined(stacks.values()),
        order.sampling.prompts,
        order.sampling.seeds,
        order.sampling,
        strengths=order.strengths or SWEEP_STRENGTHS,
        progress=progress,
    )
    headings = [series.heading for series in drawn.series]
    return _listed(order, replace(drawn, title=f"{_joined_name(stacks)}: strength"), headings)


def _listed(
    order: DrawingOrder, comparison: Comparison, headings: list[str]
) -> tuple[Comparison, Iterator[Drawn]]:
    """Under the names of the order, for two checkpoints of a run have one title."""
    named = zip(comparison.series, headings, strict=True)
    comparison = replace(comparison, series=tuple(replace(s, heading=h) for s, h in named))
    return comparison, _by_series(order, comparison)


def _by_series(order: DrawingOrder, comparison: Comparison) -> Iterator[Drawn]:
    steps = {applied.name: applied.checkpoint for applied in order.adapters}
    whole = " + ".join(steps)
    for row, prompt in enumerate(comparison.prompts):
        for group, seed in enumerate(comparison.seeds):
            for series in comparison.series:
                put_on = whole if order.mode == "sweep" else series.heading
                facts = {
                    "row": f"{prompt} · seed {seed}",
                    "column": series.heading,
                    "prompt": prompt,
                    "seed": seed,
                    "adapter": put_on if series.strength else "",
                    "strength": series.strength,
                    "checkpoint": steps.get(put_on) if series.strength else None,
                }
                yield facts, comparison.picture(series, row, group)


def _grid(
    order: DrawingOrder, base: BaseModel, stacks: Mapping[str, Stack], progress: Progress
) -> tuple[Comparison, Iterator[Drawn]]:
    if not order.is_of_checkpoints:
        stacks = {_joined_name(stacks): Stack.joined(stacks.values())}
    is_swept = "strength" in (order.rows, order.columns)
    axes = Axes(
        order.rows,
        order.columns,
        order.sampling.prompts,
        (order.strengths or SWEEP_STRENGTHS) if is_swept else (_common_strength(order),),
        tuple(stacks),
        order.sampling.seeds,
    )
    comparison = xy_grid(base, axes, stacks, order.sampling, progress=progress)
    return comparison, _by_point(order, axes, comparison)


def _by_point(order: DrawingOrder, axes: Axes, comparison: Comparison) -> Iterator[Drawn]:
    steps = {applied.name: applied.checkpoint for applied in order.adapters}
    for row, heading in enumerate(comparison.row_headings):
        for column, series in enumerate(comparison.series):
            point = axes.point(row, column)
            facts = {
                "row": heading,
                "column": series.heading,
                "prompt": point.prompt,
                "seed": point.seed,
                "adapter": point.checkpoint,
                "strength": point.strength,
                "checkpoint": steps.get(point.checkpoint),
            }
            yield facts, series.pictures[row]


def _common_strength(order: DrawingOrder) -> float:
    """Several together have theirs in their shares."""
    is_alone = order.is_of_checkpoints or len(order.adapters) == 1
    return order.adapters[0].strength if is_alone else 1.0


def _joined_name(stacks: Mapping[str, Stack]) -> str:
    return " + ".join(stacks)


_Way = Callable[
    [DrawingOrder, BaseModel, Mapping[str, Stack], Progress],
    tuple[Comparison, Iterator[Drawn]],
]
_WAYS: Mapping[str, _Way] = {"pairs": _pairs, "sweep": _sweep, "grid": _grid}
