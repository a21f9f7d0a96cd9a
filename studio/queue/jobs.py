"""One job of the queue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["train", "resume"]
State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]

MAX_ATTEMPTS = 3
"""How often a trainer may die before its job has failed."""


@dataclass(frozen=True)
class Job:
    """One job as it stands.

    Attributes:
        id: what people call it.
        key: what names its folder and marks its run, unique also among queues that are long gone.
        kind: whether it begins a run or goes on with one that began outside the queue.
        name: the recipe's.
        recipe: the recipe, all defaults resolved, as YAML.
        folder: where it was added; relative paths of the recipe are looked for there.
        run: name of its run folder; None until there is one.
        place: among those that wait, from 1; None for all others.
        attempts: trainers that it has had since it was added or resumed.
        stop_wanted: somebody asked for its end.
        pid: of its newest trainer.
        error: why it failed or was interrupted, in one line.
        added, started, ended: seconds since 1970.
    """

    id: int
    key: str
    kind: Kind
    name: str
    recipe: str
    folder: Path
    run: str | None
    state: State
    place: int | None
    attempts: int
    stop_wanted: bool
    pid: int | None
    error: str | None
    added: float
    started: float | None
    ended: float | None
