"""The stages of a run one after the other, put together from what was rehearsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studio.bases.placement import must_visit
from studio.planning.drawing import drawing_bytes
from studio.planning.plan import Stage
from studio.planning.rehearsal import Rehearsed
from studio.planning.work import Pace
from studio.planning.workload import Workload
from studio.recipe import Recipe

_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Setting:
    """Where a run takes place.

    Attributes:
        pace: in training's number format.
        clean_pace: in that of a clean base and of every VAE.
        loading_bytes: while the base model loads to train on.
        clean_loading_bytes: while it loads anew.
        gpu_bytes: what a GPU has for models and data; None: a processor.
    """

    pace: Pace
    clean_pace: Pace
    loading_bytes: int
    clean_loading_bytes: int
    gpu_bytes: int | None


def stages_of(
    recipe: Recipe, found: Rehearsed, todo: Workload, setting: Setting
) -> Iterator[Stage]:
    """In the order of the run."""
    yield Stage("loading the base model", setting.loading_bytes, 0.0)
    yield from _training(found, todo, setting)
    yield from _afterwards(recipe, found, todo, setting)


def _training(found: Rehearsed, todo: Workload, setting: Setting) -> Iterator[Stage]:
    encoding = setting.clean_pace.seconds(found.encoding_work)
    yield Stage(
        "encoding pictures",
        max(found.encoding_bytes, found.reading_bytes),
        None if todo.encoded is None else todo.encoded * encoding,
    )
    step = setting.pace.seconds(found.step_work)
    yield Stage(
        "training step",
        found.step_bytes,
        None if todo.steps is None else todo.steps * step,
        in_training=True,
    )
    checkpoint = found.resting_bytes + found.trained_bytes
    yield Stage("writing a checkpoint", checkpoint, 0.0, in_training=True)
    if found.sampling is not None:
        # All parts are at hand; the room that is left decides about tiles alone.
        kept = found.resting_bytes + found.shelved_bytes + found.adapter_bytes
        room = None if setting.gpu_bytes is None else setting.gpu_bytes - kept
        drawn = kept + drawing_bytes(found.sampling, {"unet": 0, "vae": 0}, room, "none")
        seconds = todo.samples * _picture_seconds(found, setting)
        yield Stage("drawing samples", drawn, seconds, in_training=True)


def _afterwards(
    recipe: Recipe, found: Rehearsed, todo: Workload, setting: Setting
) -> Iterator[Stage]:
    """On the base loaded anew; the adapter is written, and read back as bytes and as tensors."""
    parts, offload, gpu_bytes = found.clean_part_bytes, recipe.sampling.offload, setting.gpu_bytes
    weights = sum(parts.values())
    waits = gpu_bytes is not None and must_visit(offload, weights, gpu_bytes)
    loading = 0 if waits else setting.clean_loading_bytes
    yield Stage("loading the base anew", found.adapter_bytes + loading, 0.0)
    file_bytes = found.adapter_bytes * _BYTES[recipe.export.dtype] // 4
    exporting = found.adapter_bytes + 2 * file_bytes + (0 if waits else weights)
    yield Stage("exporting", exporting, 0.0)
    drawn = found.adapter_bytes + drawing_bytes(found.drawing, parts, gpu_bytes, offload)
    yield Stage("drawing previews", drawn, todo.previews * _picture_seconds(found, setting))


def _picture_seconds(found: Rehearsed, setting: Setting) -> float:
    return setting.clean_pace.seconds(found.drawing.work) / found.drawing.pictures
