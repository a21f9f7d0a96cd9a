"""``studio evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Runs, result


def evaluate(
    run: Annotated[str, typer.Argument(help="Name or folder of the run.")],
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Measure a run's adapter against the bare base model; writes report.json and report.html."""
    from studio.cli.base import load_base
    from studio.cli.places import adapter_of_run
    from studio.curation.manifest import CuratedSet
    from studio.curation.split import split
    from studio.evaluation.evaluate import evaluate as measure
    from studio.evaluation.report import write_report
    from studio.run_folder import RunFolder

    folder = RunFolder.open(run, runs)
    recipe, adapter = folder.recipe(), adapter_of_run(folder)
    curated = CuratedSet.load(folder.manifest_path)
    training, held_out = split(curated, recipe.dataset.validation_share, recipe.seed)
    report = measure(
        load_base(recipe.base_model),
        adapter,
        held_out,
        training,
        settings=recipe.evaluation,
        sampling=recipe.sampling,
        trigger=recipe.trigger,
        captions=recipe.dataset.caption,
    )
    grid = folder.preview_path if folder.preview_path.is_file() else None
    page = write_report(report, folder.path, grid)
    lines = [report.verdict, f"report   {page}"]
    result(report.to_json(), lines, as_json=as_json)
