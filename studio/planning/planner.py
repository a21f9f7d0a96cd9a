"""From a recipe to a plan, and to the smallest change that makes it fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf

import torch

from studio.bases.base_model import BaseModel
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.families import DRAWN_FROM_TEXT
from studio.bases.identity import BaseIdentity, identify_base, identify_published
from studio.bases.number_format import NumberFormat
from studio.bases.placement import is_gpu, weight_bytes, working_device
from studio.bases.skeleton import skeleton_base
from studio.curation.manifest import CuratedSet
from studio.errors import BaseModelError, UserError
from studio.machine import idle_cores
from studio.planning.changes import candidates, changed
from studio.planning.imagining import named_modules
from studio.planning.plan import Plan, Proposal
from studio.planning.probe import measured_pace
from studio.planning.process import (
    ALLOCATOR_SHARE,
    RUNTIME_BYTES,
    available_bytes,
    process_bytes,
)
from studio.planning.rehearsal import Rehearsed, rehearse
from studio.planning.stages import Setting, stages_of
from studio.planning.work import Pace
from studio.planning.workload import workload
from studio.recipe import Recipe
from studio.training.base_format import HALVES, clean_format, training_format


def make_plan(
    recipe: Recipe,
    identity: BaseIdentity | None = None,
    curated: CuratedSet | None = None,
    *,
    gpu_bytes: int | None = None,
    on_too_much: Callable[[Plan], None] | None = None,
) -> Plan:
    """What the recipe will take, and where that is too much, what to change.

    No weight is read, and nothing is written but into the user's cache: the machine's pace, and what an
    archive of pictures holds.

    Args:
        identity: of the recipe's base model, where it is known already.
        curated: the judged pictures; without them their files' headers must do.
        gpu_bytes: memory of a GPU elsewhere that the run is meant for, of which no pace is known; None:
            this machine, with what it has free.
        on_too_much: called with what will not fit, before changes are tried, which may take minutes.

    Raises:
        UserError: the base model is not here, the trainer does not go with it, or it is of a family whose
            runs are not predicted.
    """
    planner = _Planner(recipe, identity or planned_base(recipe), curated, gpu_bytes)
    plan = planner.plan(recipe)
    if plan.fits:
        return plan
    if on_too_much is not None:
        on_too_much(plan)
    return replace(plan, proposals=tuple(planner.proposals(recipe, plan)))


def planned_base(recipe: Recipe) -> BaseIdentity:
    """The recipe's base model; of a well-known hub id that is not here, the published configuration.

    Raises:
        BaseModelError: it is not here, or will not do.
    """
    try:
        return identify_base(recipe.base_model, vae=recipe.base.vae)
    except BaseModelError:
        published = identify_published(recipe.base_model)
        if published is None:
            raise
        return published


class _Planner:
    """Plans of one recipe and of changes of it, on one machine."""

    def __init__(
        self,
        recipe: Recipe,
        identity: BaseIdentity,
        curated: CuratedSet | None,
        gpu_bytes: int | None,
    ) -> None:
        if identity.family not in DRAWN_FROM_TEXT:
            raise UserError(
                f"base model {identity.name!r} is of family {identity.family}, whose runs cannot be "
                f"predicted; there are: {', '.join(DRAWN_FROM_TEXT)}"
            )
        self._identity, self._curated = identity, curated
        self._is_here = gpu_bytes is None
        self._device = working_device() if gpu_bytes is None else torch.device("cuda")
        self._process_bytes = process_bytes(self._device)
        self._available = available_bytes(self._device) if gpu_bytes is None else gpu_bytes
        self._threads = recipe.precision.num_threads or idle_cores()
        self._skeleton = skeleton_base(identity, recipe.base)

    def plan(self, recipe: Recipe) -> Plan:
        """The plan, without proposals."""
        todo = workload(recipe, self._identity.resolution_px, self._curated)
        found = rehearse(recipe, self._skeleton, todo.bucket, self._device, todo.together)
        loading, loading_anew = self._loading(recipe, found)
        setting = Setting(
            pace=self._pace(_training_dtype(recipe, self._device)),
            clean_pace=self._pace(clean_format(recipe.precision, self._device).dtype),
            loading_bytes=loading,
            clean_loading_bytes=loading_anew,
            gpu_bytes=self._gpu_bytes,
        )
        share = 1 + ALLOCATOR_SHARE[self._device.type]
        return Plan(
            stages=tuple(
                replace(s, bytes=int(s.bytes * share), seconds=s.seconds if self._is_here else None)
                for s in stages_of(recipe, found, todo, setting)
            ),
            process_bytes=self._process_bytes,
            runtime_bytes=RUNTIME_BYTES[self._device.type],
            available_bytes=self._available,
            device=self._device.type,
            steps=todo.steps,
            step_seconds=setting.pace.seconds(found.step_work) if self._is_here else None,
        )

    @property
    def _gpu_bytes(self) -> int | None:
        if not is_gpu(self._device):
            return None
        share = 1 + ALLOCATOR_SHARE[self._device.type]
        return int((self._available - self._process_bytes) / share)

    def _pace(self, dtype: torch.dtype) -> Pace:
        if not self._is_here:
            return Pace(inf, inf, inf, inf)
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


def _training_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    mixed = HALVES.get(recipe.precision.mixed_precision)
    return mixed or training_format(recipe.precision, device).dtype


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
