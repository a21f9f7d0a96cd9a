"""``studio doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Overrides, Runs, note, result, table


def doctor(
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Predict what a run of this recipe will take."),
    ] = None,
    changes: Overrides = None,
    gpu_memory: Annotated[
        float | None,
        typer.Option(min=1, help="With --recipe: for a GPU with so many GB, not this machine."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check that this machine is ready; exit code 1 where something is broken.

    With --recipe, predict the memory and the time of a run instead; exit code 2 where it will not fit.
    """
    if recipe is not None:
        _plan(recipe, changes or [], gpu_memory, as_json=as_json)
    elif changes or gpu_memory:
        raise typer.BadParameter(
            "--set and --gpu-memory need --recipe, for they say something of a run"
        )
    else:
        _diagnose(runs, as_json=as_json)


def _diagnose(runs: Path, *, as_json: bool) -> None:
    from studio.doctor import diagnose

    found = diagnose(runs)
    rows = [["ok" if d.ok else "BROKEN", d.name, d.found] for d in found]
    advice = [f"{d.name}: {d.advice}" for d in found if not d.ok]
    lines = [*table(rows), *(["", "What to do:"] if advice else []), *advice]
    healthy = all(d.ok for d in found)
    result({"ok": healthy, "checks": [asdict(d) for d in found]}, lines, as_json=as_json)
    if not healthy:
        raise typer.Exit(1)


def _plan(path: Path, changes: list[str], gpu_memory: float | None, *, as_json: bool) -> None:
    from studio.errors import UserError
    from studio.recipe import load_recipe

    recipe = load_recipe(path, changes)
    # After what is wrong with the recipe, for they import torch.
    from studio.planning import make_plan, planned_base
    from studio.planning.plan import GIB

    identity = planned_base(recipe)
    if identity.form == "published":
        note(f"{identity.name} is not on this machine; planned by its published configuration")
    plan = make_plan(
        recipe, identity, gpu_bytes=None if gpu_memory is None else int(gpu_memory * GIB)
    )
    tried = [f"tried: {proposal}" for proposal in plan.proposals]
    lines = [*table(plan.rows()), *([""] if tried else []), *tried]
    lines += ["", plan.line()] if plan.fits else []
    result(plan.to_json(), lines, as_json=as_json)
    if not plan.fits:
        raise UserError(plan.line())
