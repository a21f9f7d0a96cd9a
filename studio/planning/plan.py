"""What was predicted, and how it is told. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GIB = 1 << 30


@dataclass(frozen=True)
class Stage:
    """One stretch of a run.

    Attributes:
        name: e.g. ``training step``.
        bytes: the most that models and data take in it, without the process itself.
        seconds: how long all of it takes; None where that is not known.
        in_training: whether what is set for training alone changes it.
    """

    name: str
    bytes: int
    seconds: float | None
    in_training: bool = False


@dataclass(frozen=True)
class Proposal:
    """A change of the recipe, and what it comes to.

    Attributes:
        changes: as after ``--set``; all of them together.
        peak_bytes: of the run, process included.
        fits: whether that is available.
    """

    changes: tuple[str, ...]
    peak_bytes: int
    fits: bool

    def __str__(self) -> str:
        changes = " ".join(f"--set {change}" for change in self.changes)
        return f"{changes} (peak {gib(self.peak_bytes)})"


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Attributes:
        stages: in the order of the run.
        process_bytes: what the process takes beside them: libraries, kernels, CUDA's context.
        runtime_bytes: the share of it that comes only with computing.
        available_bytes: what it may take in all.
        device: ``cpu`` or ``cuda``.
        steps: optimizer steps; None where not known.
        step_seconds: of one optimizer step; None where the machine is not this one.
        proposals: where it does not fit, changes that were tried, the smallest that fits last.
    """

    stages: tuple[Stage, ...]
    process_bytes: int
    runtime_bytes: int
    available_bytes: int
    device: str
    steps: int | None
    step_seconds: float | None
    proposals: tuple[Proposal, ...] = ()

    @property
    def largest(self) -> Stage:
        """The stage that takes most."""
        return max(self.stages, key=lambda stage: stage.bytes)

    @property
    def peak_bytes(self) -> int:
        return self.process_bytes + self.largest.bytes

    @property
    def fits(self) -> bool:
        return self.peak_bytes <= self.available_bytes

    @property
    def seconds(self) -> float | None:
        """Of the whole run; None where a stage's are not known."""
        known = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) if len(known) == len(self.stages) else None

    @property
    def smallest_change(self) -> Proposal | None:
        """What makes it fit at the least cost to the result; None: nothing that was tried does."""
        return next((p for p in self.proposals if p.fits), None)

    def line(self) -> str:
        """The plan in one line."""
        peak, available = gib(self.peak_bytes), gib(self.available_bytes)
        if self.fits:
            return f"peak {peak} of {available} in {self.largest.name}{self._duration()}"
        told = f"will not fit: peak {peak} of {available} in {self.largest.name}"
        change = self.smallest_change
        if change is not None:
            return f"{told}; smallest change: {change}"
        if self.proposals:
            least = min(self.proposals, key=lambda p: p.peak_bytes)
            return f"{told}; no change is enough, the most that helps is {least}"
        return f"{told}; use a machine with more memory, or a smaller base model"

    def rows(self) -> list[list[str]]:
        """A table of the stages; without a column for time where that is known of none."""
        beside = self.process_bytes
        rows = [["stage", "peak", "time"], ["process", gib(beside), ""]]
        rows += [[s.name, gib(beside + s.bytes), _short(s.seconds)] for s in self.stages]
        is_timed = any(stage.seconds is not None for stage in self.stages)
        return rows if is_timed else [row[:2] for row in rows]

    def to_json(self) -> dict[str, Any]:
        return {
            "fits": self.fits,
            "device": self.device,
            "peak_bytes": self.peak_bytes,
            "available_bytes": self.available_bytes,
            "process_bytes": self.process_bytes,
            "runtime_bytes": self.runtime_bytes,
            "peak_stage": self.largest.name,
            "steps": self.steps,
            "step_seconds": self.step_seconds,
            "seconds": self.seconds,
            "stages": [vars(stage) for stage in self.stages],
            "proposals": [vars(p) | {"changes": list(p.changes)} for p in self.proposals],
        }

    def _duration(self) -> str:
        if self.step_seconds is None:
            return ""
        if self.seconds is None:
            return f"; about {self.step_seconds:.2g} seconds a step"
        return f"; about {_long(self.seconds)}"


def gib(count: float) -> str:
    return f"{count / GIB:.1f} GiB"


def _short(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return "under 1 s" if seconds < 1 else f"{seconds:.0f} s" if seconds < 120 else _long(seconds)


def _long(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1.5:
        return f"{seconds:.0f} seconds"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
