"""``studio runs list|show``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.output import AsJson, Runs, note, result, table

if TYPE_CHECKING:
    from studio.run_folder import RunSummary

app = typer.Typer(name="runs", help="The runs so far.", no_args_is_help=True)


@app.command("list")
def list_(runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    from studio.run_folder import list_runs

    found = list_runs(runs)
    if not found:
        note(f"no runs in {runs} yet; make one with: studio demo")
    heading = [["NAME", "METHOD", "BASE", "STEPS", "STATE", "CREATED"]] if found else []
    lines = table([*heading, *map(_row, found)])
    result([asdict(s) for s in found], lines, as_json=as_json)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Name or folder of the run.")],
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show one run: where it stands, and what it left behind."""
    from studio.run_folder import RunFolder

    folder = RunFolder.open(run, runs)
    summary = folder.summary()
    content = {
        **asdict(summary),
        "recipe": folder.recipe_path,
        "adapter": folder.adapter_files(),
        "samples": sorted(folder.samples.glob("*.png")),
        "report": folder.report(),
    }
    lines = table([["name", summary.name], ["method", f"{summary.kind} on {summary.base_model}"]])
    lines += [f"steps   {_steps(summary)}", f"state   {summary.state}"]
    lines += [f"recipe  {folder.recipe_path}"]
    lines += [f"adapter {path}" for path in content["adapter"]]
    lines += [f"samples {path}" for path in content["samples"]]
    if folder.report_path.is_file():
        lines.append(f"report  {folder.report_path}")
    result(content, lines, as_json=as_json)


def _row(summary: RunSummary) -> list[str]:
    created = datetime.fromtimestamp(summary.created).astimezone()
    return [
        summary.name,
        summary.kind,
        summary.base_model,
        _steps(summary),
        summary.state,
        f"{created:%Y-%m-%d %H:%M}",
    ]


def _steps(summary: RunSummary) -> str:
    done, total = summary.steps_done, summary.steps_total
    return f"{0 if done is None else done}/{'?' if total is None else total}"
