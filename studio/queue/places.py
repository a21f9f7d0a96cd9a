"""Where the queue of a folder of runs keeps what.

::

    runs/queue.sqlite            the jobs and their order: the truth
    runs/.queue/worker.lock      held while the worker lives; holds its process number
    runs/.queue/worker.log       what it said
    runs/.queue/starting.lock    held for the moment in which a worker is started
    runs/.queue/<key>/           of a job: recipe.yaml, log.txt, trainer.lock
"""

from __future__ import annotations

from pathlib import Path

from studio import atomic
from studio.queue import held
from studio.queue.jobs import Job
from studio.queue.log import Log
from studio.run_folder import RunFolder

MARK = "# queued as job "


class Places:
    """The paths; making the object touches nothing."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs.absolute()
        self.database = self.runs / "queue.sqlite"
        self.folder = self.runs / ".queue"
        self.worker_lock = self.folder / "worker.lock"
        self.worker_log = self.folder / "worker.log"

    def recipe_file(self, job: Job) -> Path:
        """The job's recipe as a file for ``studio train``, written anew.

        Its first line is found again in the run's own ``recipe.yaml``, and so tells whose run it is.
        """
        path = self._of(job) / "recipe.yaml"
        atomic.write_text(path, f"{MARK}{job.key}\n{job.recipe}")
        return path

    def trainer_lock(self, job: Job) -> Path:
        return self._of(job) / "trainer.lock"

    def log(self, job: Job) -> Log:
        return Log(self._of(job) / "log.txt")

    def is_trained(self, job: Job) -> bool:
        """Whether its trainer lives."""
        return held.is_held(self.trainer_lock(job))

    def run_of(self, job: Job) -> str | None:
        """The name of the job's run folder; None while there is none.

        The trainer names the folder, and nobody may be left alive to hear of it; but the folder holds
        the job's recipe from its beginning.
        """
        if job.run is not None or not self.runs.is_dir():
            return job.run
        mark = f"{MARK}{job.key}\n".encode()
        for path in sorted(self.runs.iterdir()):
            # A taken name has had a number put behind it.
            if path.name.startswith(job.name) and _begins_with(path / "recipe.yaml", mark):
                return path.name
        return None

    def is_finished(self, job: Job) -> bool:
        """Whether its run has come to its end, whoever trained it."""
        run = self.run_of(job)
        return run is not None and RunFolder(self.runs / run).state == "finished"

    def _of(self, job: Job) -> Path:
        return self.folder / job.key


def _begins_with(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError:  # no run
        return False
