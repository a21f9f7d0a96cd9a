"""``studio curate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.output import AsJson, Overrides, note, result

if TYPE_CHECKING:
    from studio.curation.manifest import CuratedSet
    from studio.recipe import Recipe


def curate(
    source: Annotated[Path, typer.Argument(help="Folder with pictures, or a recipe.")],
    base: Annotated[str, typer.Option(help="Base model to be trained.")] = "pocket",
    changes: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for manifest.json and report.html.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a set of pictures: what is broken, double or too small, and is it enough?"""
    from studio.bases.identity import identify_base
    from studio.cli.terminal import TerminalReporter
    from studio.curation.gate import require_trainable
    from studio.curation.pipeline import curate as curate_set
    from studio.curation.summary import to_json

    recipe = _recipe(source, base, changes or [])
    resolution_px = recipe.dataset.resolution or identify_base(recipe.base_model).resolution_px
    with TerminalReporter().stage("looking at pictures") as progress:
        curated = curate_set(recipe.dataset, resolution_px, progress=progress)
    if as_json:
        result(to_json(curated), (), as_json=True)
    else:
        _print(curated)
    if out is not None:
        _save(curated, out)
    require_trainable(curated, recipe.dataset)


def _recipe(source: Path, base: str, changes: list[str]) -> Recipe:
    from studio.recipe import load_recipe, starter_recipe

    if source.suffix in (".yaml", ".yml"):
        return load_recipe(source, changes)
    return starter_recipe(source, overrides=[f"base_model={base}", *changes])


def _print(curated: CuratedSet) -> None:
    from rich.console import Console

    from studio.curation.table import print_table

    print_table(curated, Console())


def _save(curated: CuratedSet, out: Path) -> None:
    from studio.curation.report import write_html

    curated.save(out / "manifest.json")
    write_html(curated, out / "report.html")
    note(f"written: {out / 'manifest.json'}, {out / 'report.html'}")
