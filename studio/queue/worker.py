"""``python -m studio.queue.worker RUNS``: one trainer after another, and how each of them ended.

It may be killed at any moment, for it knows nothing that the rows, the locks and the runs do not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from studio.errors import QueueError
from studio.queue import held
from studio.queue.background import module_command
from studio.queue.jobs import MAX_ATTEMPTS, Job
from studio.queue.log import Log
from studio.queue.places import Places
from studio.queue.store import JobStore

IDLE_SECONDS = 0.5
TENDING_SECONDS = 0.2
_DONE, _USERS_MISTAKE, _INTERRUPTED = 0, 2, 130


class Worker:
    """Works on the queue of one folder of runs."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._store = JobStore(places.database)

    def work(self) -> None:
        """Go on until killed, or until the folder is gone."""
        while self._places.worker_lock.exists():
            if not self.turn():
                Log(self._places.worker_log).shorten()
                time.sleep(IDLE_SECONDS)

    def turn(self) -> bool:
        """See one trainer to its end, one that is found before a new one; False where nothing came of it.

        Also where a trainer did not get as far as taking a job, lest it be tried without a pause.
        """
        found = self._store.running()
        if found is not None:
            self._tend_until(lambda: not self._places.is_trained(found))
            return self._write_down(found.pid, exit_code=None)
        if self._store.next() is None:
            return False
        trainer = self._start_trainer()
        self._tend_until(lambda: trainer.poll() is not None)
        return self._write_down(trainer.pid, trainer.returncode)

    def _start_trainer(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            module_command("studio.queue.trainer", self._places.runs),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # what ends the worker is not meant for it
        )

    def _tend_until(self, ended: Callable[[], bool]) -> None:
        while not ended():
            job = self._store.running()
            if job is not None:
                self._note_run(job)
                self._places.log(job).shorten()
            time.sleep(TENDING_SECONDS)

    def _note_run(self, job: Job) -> None:
        run = self._places.run_of(job)
        if run is not None and run != job.run:
            self._store.set_run(job, run)

    def _write_down(self, pid: int | None, exit_code: int | None) -> bool:
        """How that trainer's job has ended; False where it has none, for another was faster."""
        job = self._store.running()
        if job is None or job.pid != pid or self._places.is_trained(job):
            return False
        self._note_run(job)
        if exit_code == _DONE or self._places.is_finished(job):
            self._store.end(job, "done")
        elif exit_code == _INTERRUPTED or job.stop_wanted:
            self._store.end(job, "interrupted")
        elif exit_code == _USERS_MISTAKE or job.attempts >= MAX_ATTEMPTS:
            self._store.end(job, "failed", self._places.log(job).error() or _death(exit_code))
        else:
            self._store.again(job)
        return True


def _death(exit_code: int | None) -> str:
    if exit_code is None:
        return "the trainer died, and nobody was there to see of what"
    if exit_code >= 0:
        return f"the trainer ended with status {exit_code} and said nothing"
    name = signal.Signals(-exit_code).name
    memory = ", most likely for want of memory" if -exit_code == signal.SIGKILL else ""
    return f"the trainer was ended by {name}{memory}"


def main(runs: Path) -> None:
    places = Places(runs)
    lock = held.hold(places.worker_lock)
    if lock is None:
        sys.exit("error: another worker works here already")
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode("ascii"))
    try:
        Worker(places).work()
    except QueueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
