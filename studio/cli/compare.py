"""``studio compare``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.output import AsJson, Overrides, Runs, note, result

if TYPE_CHECKING:
    from studio.recipe import Recipe


def compare(  # noqa: PLR0917 - options of a command
    recipes: Annotated[
        list[Path], typer.Argument(help="Recipes of one set; or one, with --methods.")
    ],
    methods: Annotated[
        str | None,
        typer.Option(help="Trainers to run the one recipe's set with, e.g. lora,hypernetwork."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of training for each, in place of their budgets.")
    ] = None,
    changes: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table and grid. Default: comparisons/NAME.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Train several methods on the same pictures, and set figures and pictures side by side."""
    overrides = [*(changes or [])]
    if minutes is not None:
        overrides.append(f'budget={{"minutes": {minutes}}}')
    chosen = _recipes(recipes, methods, overrides)
    folder = out or Path("comparisons") / chosen[0].name

    from studio.cli.terminal import TerminalReporter
    from studio.compare import compare as run_all
    from studio.contender import table

    contenders = run_all(chosen, folder, runs=runs, reporter=TerminalReporter())
    note(f"table and grid: {folder}")
    result([asdict(c) for c in contenders], table(contenders), as_json=as_json)


def _recipes(paths: list[Path], methods: str | None, overrides: list[str]) -> list[Recipe]:
    from studio.errors import UserError
    from studio.recipe import load_recipe
    from studio.recipe.starter import with_method

    if methods is None:
        return [load_recipe(path, overrides) for path in paths]
    if len(paths) != 1:
        raise UserError(
            f"--methods goes with one recipe, but {len(paths)} were given; leave it out to compare "
            "recipes as they are"
        )
    kinds = [kind.strip() for kind in methods.split(",") if kind.strip()]
    return [with_method(load_recipe(paths[0]), kind, overrides) for kind in kinds]
