"""From a recipe to a plan, and to the smallest change that makes it fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from studio.bases.base_model import BaseModel
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.families import DRAWN_FROM_TEXT
from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.number_format import NumberFormat
from studio.bases.placement import weight_bytes, working_device
from studio.bases.skeleton import skeleton_base
from studio.curation.manifest import CuratedSet
from studio.errors import UserError
from studio.machine import idle_cores
from studio.planning.changes import candidates, changed
from studio.planning.imagining import named_modules
from studio.planning.plan import Plan, Proposal, Stage
from studio.planning.probe import measured_pace
from studio.planning.process import (
    ALLOCATOR_SHARE,
    RUNTIME_BYTES,
    available_bytes,
    process_bytes,
)
from studio.planning.rehearsal import Rehearsed, rehearse
from studio.planning.work import Pace
from studio.planning.workload import Workload, workload
from studio.recipe import Recipe
from studio.training.base_format import clean_format, training_format

_FORMATS = {"fp16": torch.float16, "bf16": torch.bfloat16}
_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


def make_plan(
    recipe: Recipe,
    identity: BaseIdentity | None = None,
    curated: CuratedSet | None = None,
    *,
    available: int | None = None,
) -> Plan:
    """What the recipe will take on this machine, and where that is too much, what to change.

    No weight is read and nothing is written but the machine's pace, into the user's cache.

    Args:
        identity: of the recipe's base model, where it is known already.
        curated: the judged pictures; without them their files' headers must do.
        available: bytes that the run may take; None: what the machine has free.

    Raises:
        UserError: the base model is not here, the trainer does not go with it, or it is of a family whose
            runs are not predicted.
    """
    planner = _Planner(recipe, identity or _identity(recipe), curated, available)
    plan = planner.plan(recipe)
    if plan.fits:
        return plan
    return replace(plan, proposals=tuple(planner.proposals(recipe, plan)))


class _Planner:
    """Plans of one recipe and of changes of it, on one machine."""

    def __init__(
        self,
        recipe: Recipe,
        identity: BaseIdentity,
        curated: CuratedSet | None,
        available: int | None,
    ) -> None:
        if identity.family not in DRAWN_FROM_TEXT:
            raise UserError(
                f"base model {identity.name!r} is of family {identity.family}, whose runs cannot be "
                f"predicted; there are: {', '.join(DRAWN_FROM_TEXT)}"
            )
        self._identity, self._curated = identity, curated
        self._device = working_device()
        self._process_bytes = process_bytes(self._device)
        self._available = available_bytes(self._device) if available is None else available
        self._threads = recipe.precision.num_threads or idle_cores()
        self._skeleton = skeleton_base(identity, recipe.base)

    def plan(self, recipe: Recipe) -> Plan:
        """The plan, without proposals."""
        todo = workload(recipe, self._identity.resolution_px, self._curated)
        found = rehearse(recipe, self._skeleton, todo.bucket, self._device, todo.together)
        pace = self._pace(_training_dtype(recipe, self._device))
        clean = self._pace(clean_format(recipe.precision, self._device).dtype)
        stages = _stages(recipe, found, todo, (pace, clean), self._loading(recipe, found))
        share = 1 + ALLOCATOR_SHARE[self._device.type]
        return Plan(
            stages=tuple(replace(s, bytes=int(s.bytes * share)) for s in stages),
            process_bytes=self._process_bytes,
            runtime_bytes=RUNTIME_BYTES[self._device.type],
            available_bytes=self._available,
            device=self._device.type,
            steps=todo.steps,
            step_seconds=pace.seconds(found.step_work),
        )

    def _pace(self, dtype: torch.dtype) -> Pace:
        return measured_pace(self._device, dtype, self._threads)

    def _loading(self, recipe: Recipe, found: Rehearsed) -> tuple[int, int]:
        """Bytes while the base loads to train on, and clean."""
        identity, skeleton, device = self._identity, self._skeleton, self._device
        training = training_format(recipe.precision, device)
        clean = clean_format(recipe.precision, device)
        plain = {name: weight_bytes([m]) for name, m in named_modules(skeleton).items()}
        if clean.dtype != torch.float32:
            plain = {n: size // (1 if n == "vae" else 2) for n, size in plain.items()}
        return (
            _loading_bytes(identity, skeleton, found.part_bytes, training, device),
            _loading_bytes(identity, skeleton, plain, clean, device),
        )

    def proposals(self, recipe: Recipe, plan: Plan) -> list[Proposal]:
        """Changes that were tried, each alone and then together, until one fits.

        Where the most is taken outside of training, what concerns training alone is not tried.
        """
        tried: list[Proposal] = []
        helpful: list[tuple[str, ...]] = []
        for changes in candidates(recipe, in_training=plan.largest.in_training):
            proposal = self._tried(recipe, changes)
            if proposal is None:
                continue
            tried.append(proposal)
            if proposal.fits:
                return tried
            if proposal.peak_bytes < plan.peak_bytes:
                helpful.append(changes)
        together: tuple[str, ...] = ()
        for changes in helpful:
            is_first, together = not together, _merged(together, changes)
            proposal = None if is_first else self._tried(recipe, together)
            if proposal is not None:
                tried.append(proposal)
                if proposal.fits:
                    break
        return tried

    def _tried(self, recipe: Recipe, changes: Sequence[str]) -> Proposal | None:
        other = changed(recipe, changes)
        if other is None:
            return None
        plan = self.plan(other)
        return Proposal(tuple(changes), plan.peak_bytes, plan.fits)


def _stages(
    recipe: Recipe,
    found: Rehearsed,
    todo: Workload,
    paces: tuple[Pace, Pace],
    loading: tuple[int, int],
) -> list[Stage]:
    """The stages of a run in order.

    Args:
        paces: in training's number format, and in that of a clean base and of every VAE.
        loading: bytes while the base model loads, to train on and clean.
    """
    drawing, sampling = found.drawing, found.sampling
    pace, clean_pace = paces
    picture_seconds = clean_pace.seconds(drawing.work) / drawing.pictures
    step_seconds = pace.seconds(found.step_work)
    adapter_file = found.adapter_bytes * _BYTES[recipe.export.dtype] // 4
    encoding = (
        None if todo.encoded is None else todo.encoded * clean_pace.seconds(found.encoding_work)
    )
    stages = [
        Stage("loading the base model", loading[0], 0.0),
        Stage("encoding pictures", max(found.encoding_bytes, found.reading_bytes), encoding),
        Stage(
            "training step",
            found.step_bytes,
            None if todo.steps is None else todo.steps * step_seconds,
            in_training=True,
        ),
        Stage(
            "writing a checkpoint",
            found.resting_bytes + found.trained_bytes,
            0.0,
            in_training=True,
        ),
    ]
    if sampling is not None:
        during = found.resting_bytes + found.adapter_bytes + sampling.bytes
        stages.append(
            Stage("drawing samples", during, todo.samples * picture_seconds, in_training=True)
        )
    # Then the base is loaded anew; the adapter is written, and read back as bytes and as tensors.
    kept = found.clean_bytes + found.adapter_bytes
    stages += [
        Stage("loading the base anew", loading[1] + found.adapter_bytes, 0.0),
        Stage("exporting", kept + 2 * adapter_file, 0.0),
        Stage("drawing previews", kept + drawing.bytes, todo.previews * picture_seconds),
    ]
    return stages


def _training_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    mixed = _FORMATS.get(recipe.precision.mixed_precision)
    return mixed or training_format(recipe.precision, device).dtype


def _identity(recipe: Recipe) -> BaseIdentity:
    return identify_base(recipe.base_model, vae=recipe.base.vae)


def _loading_bytes(
    identity: BaseIdentity,
    skeleton: BaseModel,
    part_bytes: Mapping[str, int],
    numbers: NumberFormat,
    device: torch.device,
) -> int:
    """A part's file is mapped into memory while its weights are made of it, one part after the other."""
    if device.type == "cuda":
        return sum(part_bytes.values())
    finished, peak = 0, 0
    for part, module in named_modules(skeleton).items():
        size = part_bytes[part]
        if numbers.quantization is not None and part != "vae":
            size += weight_bytes([module]) // 4 * numbers.reading(part).itemsize
        peak = max(peak, finished + size + _file_bytes(identity, part))
        finished += part_bytes[part]
    return peak


def _file_bytes(identity: BaseIdentity, part: str) -> int:
    content = identity.content
    if not isinstance(content, DiffusersFolder):
        return content.path.stat().st_size
    return sum(file.stat().st_size for file in content.weight_files if file.parent.name == part)


def _merged(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Changes of one setting once, the later one."""
    by_path = {change.partition("=")[0]: change for change in (*first, *second)}
    return tuple(by_path.values())
