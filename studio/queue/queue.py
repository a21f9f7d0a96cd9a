"""The queue as its callers see it: what to do next, and what is true now."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from studio.errors import QueueError
from studio.queue import background
from studio.queue.jobs import Job
from studio.queue.places import Places
from studio.queue.store import JobStore
from studio.recipe import Recipe, yaml_text
from studio.run_folder import RUNS, RunFolder

DIED = "the trainer died; it goes on from its newest checkpoint when the worker runs"


class Queue:
    """The jobs of one folder of runs. Holds nothing open; any thread or process may have its own.

    Every method raises `QueueError` where the queue cannot be read, or a job is not there or not in a
    state for what is asked.
    """

    def __init__(self, runs: Path = RUNS) -> None:
        self.places = Places(runs)
        self.store = JobStore(self.places.database)

    def add(self, recipe: Recipe) -> Job:
        """Put a new run behind all that wait.

        Raises:
            UserError: base model, pictures or formats will not do, as far as a look can tell.
        """
        from studio.checking import require_runnable  # decoders, which the worker needs not

        require_runnable(recipe)
        return self.store.add("train", recipe.name, _as_text(recipe), folder=Path.cwd())

    def add_run(self, run: Path | str) -> Job:
        """Let a run that began outside the queue go on in it.

        Raises:
            RunError: there is no such run in the folder of runs, it is finished, or it is being trained.
        """
        folder = RunFolder.open(run, self.places.runs)
        if folder.path.resolve().parent != self.places.runs.resolve():
            raise QueueError(f"the run {run} is not in {self.places.runs}; give its own --runs")
        if folder.state != "interrupted":
            raise QueueError(
                f'the run "{folder.name}" is {folder.state}; there is nothing to resume'
            )
        recipe = folder.recipe()
        return self.store.add(
            "resume", recipe.name, _as_text(recipe), folder=Path.cwd(), run=folder.name
        )

    def jobs(self) -> list[Job]:
        """Every job as it truly stands: what runs, what waits in its order, what has ended."""
        jobs = self.store.jobs()
        if any(map(self._has_ended_unheard, jobs)):
            # That may have been written down since the rows were read.
            jobs = self.store.jobs()
        return [self._true(job) for job in jobs]

    def job(self, number: int) -> Job:
        """One job as it truly stands."""
        job = self.store.job(number)
        return self._true(self.store.job(number) if self._has_ended_unheard(job) else job)

    def move(self, number: int, place: int) -> Job:
        """Give a job that waits another place among those, from 1; beyond the end is the end."""
        return self.store.move(number, place)

    def cancel(self, number: int) -> Job:
        """Take a job that waits out of the line."""
        return self.store.cancel(number)

    def stop(self, number: int) -> Job:
        """Ask a job that runs to write a checkpoint and leave; returns at once.

        It is interrupted soon after, and `resume` lets it go on. Asked twice, it leaves without the
        checkpoint.
        """
        job = self.store.want_stop(number)
        if self.places.is_trained(job) and job.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGINT)
        else:
            self.store.end(job, "interrupted")
        return self.job(number)

    def resume(self, number: int) -> Job:
        """Put a job that was stopped, cancelled or has failed behind all that wait."""
        return self.store.resume(number, self.places.is_trained)

    def log(self, number: int) -> str:
        """What the job's trainers said."""
        return self.places.log(self.store.job(number)).text()

    def start_worker(self) -> int:
        """Start the worker, detached, unless one runs; returns its process number."""
        return background.start(self.places)

    def stop_worker(self) -> bool:
        """End the worker; a trainer goes on to its end. False where there was no worker."""
        return background.stop(self.places)

    def worker_pid(self) -> int | None:
        """The worker's process number; None where none lives."""
        return background.pid(self.places)

    def _has_ended_unheard(self, job: Job) -> bool:
        return job.state == "running" and not self.places.is_trained(job)

    def _true(self, job: Job) -> Job:
        if job.state != "running":
            return job
        job = replace(job, run=self.places.run_of(job))
        if self.places.is_trained(job):
            return job
        if self.places.is_finished(job):
            return replace(job, state="done")
        return replace(job, state="interrupted", error=None if job.stop_wanted else DIED)


def _as_text(recipe: Recipe) -> str:
    """The recipe with every default written out and its lock, if it has one: what is queued stays as it
    was, whatever becomes of the file.
    """
    content = recipe.model_dump(mode="json")
    if recipe.lock is not None:
        content["lock"] = recipe.lock.model_dump(mode="json")
    return yaml_text.dump(content)
