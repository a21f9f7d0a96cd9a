"""``studio recipe new|check|diff|schema``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.output import AsJson, Overrides, Runs, result, table

if TYPE_CHECKING:
    from studio.recipe import Recipe

app = typer.Typer(name="recipe", help="Write and check recipes.", no_args_is_help=True)


@app.command()
def new(  # noqa: PLR0917 - options of a command
    file: Annotated[Path, typer.Argument(help="The recipe to write.")],
    dataset: Annotated[str, typer.Option(help="Folder with the pictures.")],
    trigger: Annotated[
        str, typer.Option(help="Word or phrase that will call up what was learned.")
    ] = "",
    method: Annotated[str, typer.Option(help="The trainer; `studio trainers list`.")] = "lora",
    base: Annotated[str, typer.Option(help="The base model.")] = "pocket",
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a recipe to start from."""
    from studio import atomic
    from studio.errors import UserError
    from studio.recipe import starter_recipe

    if file.exists():
        raise UserError(f"{file} is there already; give another name, or remove it")
    recipe = starter_recipe(
        dataset, trigger=trigger, method=method, base_model=base, name=name, file=str(file)
    )
    atomic.write_text(file, recipe.text)
    result({"recipe": file}, [f"recipe   {file}"], as_json=as_json)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The recipe to check.")],
    changes: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check a recipe, every problem at once; nothing is loaded or trained.

    With --json, the recipe with all its defaults.
    """
    from studio.recipe import load_recipe

    recipe = load_recipe(file, changes or [])
    line = f"{file}: {recipe.trainer.kind} on {recipe.base_model}, from {recipe.dataset.source}"
    result(recipe.model_dump(mode="json"), [f"ok: {line}"], as_json=as_json)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A recipe file, or the name or folder of a run.")],
    after: Annotated[str, typer.Argument(help="Another.")],
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show what is set otherwise in another recipe; how it is written makes no difference."""
    from studio.recipe.difference import difference

    changes = difference(_recipe(before, runs), _recipe(after, runs))
    rows = [["SETTING", "BEFORE", "AFTER"], *(change.row() for change in changes)]
    lines = table(rows) if changes else [f"{before} and {after} set the same"]
    result([change.to_json() for change in changes], lines, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from studio.recipe import json_schema

    result(json_schema(), (), as_json=True)


def _recipe(given: str, runs: Path) -> Recipe:
    """Of the file at that path, or of the run of that name."""
    from studio.recipe import load_recipe
    from studio.run_folder import RunFolder

    path = Path(given)
    is_file = path.is_file() or path.suffix in (".yaml", ".yml")
    return load_recipe(path) if is_file else RunFolder.open(given, runs).recipe()
