"""``studio demo``, ``studio train``, ``studio resume``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.output import AsJson, Overrides, Runs, note, result

if TYPE_CHECKING:
    from studio.recipe import Recipe
    from studio.run_folder import RunFolder

DEMO_RECIPE = Path("recipes/pocket_lora_flat-icons.yaml")


def demo(changes: Overrides = None, runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Train a small LoRA on the icons that come with the studio, and show what it does."""
    from studio.recipe import load_recipe

    recipe = load_recipe(_demo_recipe(), ["name=demo", *(changes or [])])
    _train(recipe, runs, as_json=as_json)


def train(  # noqa: PLR0917 - options of a command
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe or lock file; not needed with --dataset.")
    ] = None,
    changes: Overrides = None,
    dataset: Annotated[
        str | None, typer.Option(help="The pictures: folder, archive, table or hf:owner/name.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Word or phrase that will call up what was learned.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="The trainer; `studio trainers list`. Default: lora.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="pocket, a hub id, a diffusers folder or a file. Default: pocket."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps.")] = None,
    steps_per_image: Annotated[
        float | None, typer.Option(help="How often each picture is seen. Default: 100.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes of training.")] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Train an adapter from a recipe, or from pictures without one."""
    from studio.curation.sources.given import absolute

    flags = {
        "name": name,
        "base_model": base,
        "trainer": None if method is None else {"kind": method},
        "dataset.source": None if dataset is None else absolute(dataset),
        "dataset.trigger": trigger,
        "budget": _budget(steps, steps_per_image, minutes),
    }
    _train(_recipe(recipe, flags, changes or []), runs, as_json=as_json)


def resume(
    run: Annotated[str, typer.Argument(help="Name or folder of the run.")],
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was interrupted, from its newest checkpoint."""
    from studio.run_folder import RunFolder

    opened = RunFolder.open(run, runs)
    from studio.cli.terminal import TerminalReporter
    from studio.run import resume as go_on

    folder = go_on(opened, reporter=TerminalReporter())
    _show(folder, as_json=as_json)


def _recipe(path: Path | None, flags: dict[str, Any], changes: list[str]) -> Recipe:
    from studio.errors import UserError
    from studio.recipe import load_recipe, starter_recipe

    if path is None:
        if flags["dataset.source"] is None:
            raise UserError("nothing to train on; give a recipe file, or --dataset and a folder")
        source = flags.pop("dataset.source")
        return starter_recipe(source, overrides=[*_overrides(flags), *changes])
    if path.is_dir():
        raise UserError(
            f"{path} is a folder, not a recipe; to train on its pictures: "
            f"studio train --dataset {path}"
        )
    return load_recipe(path, [*_overrides(flags), *changes])


def _overrides(flags: dict[str, Any]) -> list[str]:
    """Flags as ``--set`` would have them; JSON, so that text stays text and numbers numbers."""
    given = {path: value for path, value in flags.items() if value is not None}
    return [f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in given.items()]


def _budget(
    steps: int | None, steps_per_image: float | None, minutes: float | None
) -> dict[str, int | float] | None:
    all_three = {"steps": steps, "steps_per_image": steps_per_image, "minutes": minutes}
    return {k: v for k, v in all_three.items() if v is not None} or None


def _demo_recipe() -> Path:
    from studio.errors import UserError
    from studio.workplace.sample_sets import shipped

    found = shipped(DEMO_RECIPE)
    if found is not None:
        return found
    raise UserError(
        f"the demo needs {DEMO_RECIPE} and its pictures, which are in the studio's repository; "
        "run it there, or train your own: studio train --dataset FOLDER"
    )


def _train(recipe: Recipe, runs: Path, *, as_json: bool) -> None:
    from studio.checking import require_found

    require_found(recipe)  # a mistake is told at once: what a run imports takes seconds
    from studio.cli.terminal import TerminalReporter
    from studio.run import run

    folder = run(recipe, runs=runs, reporter=TerminalReporter())
    if folder.name != recipe.name:
        note(f'there was a run "{recipe.name}" already; this one is "{folder.name}"')
    _show(folder, as_json=as_json)


def _show(folder: RunFolder, *, as_json: bool) -> None:
    places = {
        "run": folder.path,
        "recipe": folder.recipe_path,
        "adapter": folder.adapter_files(),
        "samples": sorted(folder.samples.glob("*.png")),
        "report": folder.report_path if folder.report_path.is_file() else None,
    }
    lines = []
    for what, place in places.items():
        paths = place if isinstance(place, list) else [place]
        lines += [f"{what:<8} {path}" for path in paths if path is not None]
    result({"name": folder.name, **places}, lines, as_json=as_json)
