"""Several ways to learn the same set, side by side: each run in a process of its own, then one table.

A process of its own gives each run a peak of memory that is its alone, and leaves the others standing
where one fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio import atomic
from studio.bases.loading import load_base
from studio.bases.placement import working_device
from studio.contender import Contender, table
from studio.errors import UserError
from studio.preview.grid import save_grid
from studio.preview.pairs import sample_pairs
from studio.recipe import Recipe, yaml_text
from studio.reporter import Reporter
from studio.run_folder import RunFolder

GRID_PROMPTS = 4


def compare(
    recipes: Sequence[Recipe], folder: Path, *, runs: Path, reporter: Reporter
) -> list[Contender]:
    """Run every recipe, and leave ``comparison.json``, ``comparison.md`` and ``grid.png`` in ``folder``.

    Args:
        recipes: of one base model and one set.

    Raises:
        UserError: they are of different bases or sets, or a run failed; those before it stay.
    """
    _require_common_ground(recipes)
    contenders = []
    for number, recipe in enumerate(recipes, start=1):
        reporter.note(f"{number} of {len(recipes)}: {recipe.trainer.kind}")
        contenders.append(_contend(recipe, runs))
    atomic.write_json(folder / "comparison.json", {"contenders": [asdict(c) for c in contenders]})
    atomic.write_text(folder / "comparison.md", "\n".join(table(contenders)) + "\n")
    _draw_grid(recipes[0], contenders, folder / "grid.png", runs, reporter)
    return contenders


def _require_common_ground(recipes: Sequence[Recipe]) -> None:
    for what in ("base_model", "dataset.source"):
        values = {str(_at(recipe, what)) for recipe in recipes}
        if len(values) > 1:
            raise UserError(
                f"the recipes differ in {what} ({', '.join(sorted(values))}), so their figures "
                "cannot be compared; give recipes of one base model and one set"
            )
    off = next((r for r in recipes if not r.evaluation.enabled), None)
    if off is not None:
        raise UserError(
            f"evaluation.enabled is false in the recipe {off.name}; a comparison needs its figures"
        )


def _at(recipe: Recipe, path: str) -> Any:
    value: Any = recipe
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _contend(recipe: Recipe, runs: Path) -> Contender:
    before = {path.name for path in runs.glob("*")} if runs.is_dir() else set()
    peak = _train_elsewhere(recipe, runs)
    name = _new_run(recipe.name, before, runs)
    folder = RunFolder.open(name, runs)
    if folder.report() is None:
        raise UserError(
            f"the run {name} left no report; it needs pictures that can be held out "
            "(dataset.validation_share)"
        )
    return Contender.of(folder, peak_memory_bytes=peak)


def _new_run(name: str, before: set[str], runs: Path) -> str:
    """The folder that a run of this name was given: ``name``, or ``name-2`` and so on."""
    new = [p for p in runs.glob(f"{name}*") if p.name not in before and p.is_dir()]
    return max(new, key=lambda p: p.stat().st_mtime, default=runs / name).name


def _train_elsewhere(recipe: Recipe, runs: Path) -> int:
    """Train in a process of its own; its messages go through. Returns its peak memory in bytes."""
    with _as_file(recipe) as path:
        command = [sys.executable, "-m", "studio", "train", str(path), "--runs", str(runs)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(
            f"training by {recipe.trainer.kind} failed, see above; mend its recipe or leave it out"
        )
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def _as_file(recipe: Recipe) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{recipe.name}.yaml"
        path.write_text(yaml_text.dump(recipe.model_dump(mode="json")), "utf-8")
        yield path


def _draw_grid(
    recipe: Recipe, contenders: Sequence[Contender], path: Path, runs: Path, reporter: Reporter
) -> None:
    base = load_base(
        recipe.base_model,
        recipe.base,
        device=working_device(),
        offload=recipe.sampling.offload,
    )
    adapters = [RunFolder.open(c.run, runs).adapters()[0] for c in contenders]
    report = contenders[0].report
    prompts = report.prompts[:GRID_PROMPTS] if report else ()
    with reporter.stage("drawing the comparison") as progress:
        seeds = recipe.sampling.seeds[:1]
        pairs = sample_pairs(
            base, adapters, prompts, seeds, recipe.sampling, progress=progress, literal=True
        )
    save_grid(pairs, path)
