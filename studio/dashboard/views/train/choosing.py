"""What can be looked at: every run, and every job that has none yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.queue import Job
from studio.run_folder import RunSummary


@dataclass(frozen=True)
class Choice:
    """One of them, with its job where the queue knows it."""

    run: RunSummary | None
    job: Job | None

    @property
    def key(self) -> str:
        """Stands in the page's address."""
        return self.run.name if self.run else _job_key(self.job)

    @property
    def former_keys(self) -> tuple[str, ...]:
        return (_job_key(self.job),) if self.run and self.job else ()

    @property
    def label(self) -> str:
        """Nothing that changes while the run goes: a browser says which one it shows by its label."""
        if self.run is None:
            assert self.job is not None
            return f"{self.job.name} · job {self.job.id}"
        return f"{self.run.name} · {self.run.kind} on {self.run.base_model}"


def choices(jobs: Sequence[Job], runs: Sequence[RunSummary]) -> list[Choice]:
    """What runs first, then what waits, then the rest from the newest on."""
    by_run = {job.run: job for job in jobs if job.run}  # of several, the newest
    found = [Choice(run, by_run.get(run.name)) for run in runs]
    without = [Choice(None, job) for job in jobs if job.run is None and job.state != "cancelled"]
    return sorted([*without, *found], key=_rank)


def _rank(choice: Choice) -> tuple[int, float]:
    if choice.run is not None:
        return (0 if choice.run.state == "running" else 2), -choice.run.created
    assert choice.job is not None
    of_state = {"running": 0, "waiting": 1}
    return of_state.get(choice.job.state, 2), -choice.job.added


def _job_key(job: Job | None) -> str:
    return f"job-{job.id}" if job else ""
