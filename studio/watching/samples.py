"""The pictures that a run has drawn of itself, in order of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.run_folder import RunFolder

FOLDER = "step-"


@dataclass(frozen=True)
class Drawn:
    """What was drawn after one step, in the order of prompts and seeds."""

    step: int
    pictures: tuple[Path, ...]


def samples(folder: RunFolder) -> list[Drawn]:
    """By step; of the last one perhaps not all, while it is being drawn."""
    found = sorted(folder.samples.glob(f"{FOLDER}*")) if folder.samples.is_dir() else []
    drawn = [Drawn(int(p.name.removeprefix(FOLDER)), _pictures(p)) for p in found]
    return [of_step for of_step in drawn if of_step.pictures]


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix in (".png", ".gif")))
