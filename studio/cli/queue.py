"""``studio queue``: runs that train in the background, one after another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.output import AsJson, Overrides, Runs, note, result, table

if TYPE_CHECKING:
    from studio.queue import Job, Queue

app = typer.Typer(
    name="queue", help="Runs that train in the background, one by one.", no_args_is_help=True
)
Number = Annotated[int, typer.Argument(metavar="ID", help="The job's number.")]


@app.command()
def add(
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe or lock file; not needed with --run.")
    ] = None,
    changes: Overrides = None,
    run: Annotated[
        str | None, typer.Option(help="Go on with this run instead of beginning one.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Queue a run. What is wrong with its recipe is said now."""
    from studio.errors import UserError
    from studio.recipe import load_recipe

    queue = _queue(runs)
    if (recipe is None) == (run is None) or (run and changes):
        raise UserError("give a recipe, with --set where wanted, or --run and an interrupted run")
    job = queue.add(load_recipe(recipe, changes or [])) if recipe else queue.add_run(run or "")
    _show(job, as_json=as_json)
    _tell_of_worker(queue)


@app.command("list")
def list_(runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """List the jobs: what runs, what waits in its order, what has ended."""
    queue = _queue(runs)
    jobs, worker = queue.jobs(), queue.worker_pid()
    if not jobs:
        note(f"nothing was queued in {runs} yet; begin with: studio queue add RECIPE")
    heading = [["ID", "STATE", "PLACE", "NAME", "RUN", "ERROR"]] if jobs else []
    content = {"worker": worker, "jobs": [_json(job) for job in jobs]}
    result(content, table([*heading, *map(_row, jobs)]), as_json=as_json)
    if any(job.ended is None for job in jobs):
        _tell_of_worker(queue)


@app.command()
def start(runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Start the worker in the background, unless it runs."""
    pid = _queue(runs).start_worker()
    result({"worker": pid}, [f"the worker runs as process {pid}"], as_json=as_json)


@app.command()
def cancel(number: Number, runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Take a job that waits out of the line."""
    _show(_queue(runs).cancel(number), as_json=as_json)


@app.command()
def stop(
    number: Annotated[
        int | None, typer.Argument(metavar="ID", help="The job's number; not needed with --worker.")
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker", help="End the worker; what trains goes on to its end.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Stop a job that runs: it writes a checkpoint, and can be resumed."""
    from studio.errors import UserError

    queue = _queue(runs)
    if worker == (number is not None):
        raise UserError("give a job's number, or --worker")
    if number is not None:
        _show(queue.stop(number), as_json=as_json)
        return
    stopped = queue.stop_worker()
    line = "the worker has ended" if stopped else "no worker was running"
    result({"stopped": stopped}, [line], as_json=as_json)


@app.command()
def move(
    number: Number,
    place: Annotated[int, typer.Argument(help="Among the jobs that wait; 1 is the next.")],
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Give a job that waits another place."""
    _show(_queue(runs).move(number, place), as_json=as_json)


@app.command()
def resume(number: Number, runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Queue a job again that was stopped, cancelled or has failed."""
    queue = _queue(runs)
    _show(queue.resume(number), as_json=as_json)
    _tell_of_worker(queue)


def _queue(runs: Path) -> Queue:
    from studio.queue import Queue

    return Queue(runs)


def _show(job: Job, *, as_json: bool) -> None:
    place = f" in place {job.place}" if job.place else ""
    stopping = ", and stops" if job.state == "running" and job.stop_wanted else ""
    result(
        _json(job), [f"job {job.id} ({job.name}) is {job.state}{place}{stopping}"], as_json=as_json
    )


def _tell_of_worker(queue: Queue) -> None:
    if queue.worker_pid() is None:
        note("no worker is running; start it with: studio queue start")


def _json(job: Job) -> dict[str, Any]:
    return asdict(job)


def _row(job: Job) -> list[str]:
    place = str(job.place or "")
    return [str(job.id), job.state, place, job.name, job.run or "", job.error or ""]
