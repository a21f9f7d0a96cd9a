"""``python -m studio.queue.trainer RUNS``: takes the job in front, and becomes its trainer.

The process that takes a job is the very one that trains: between "taken" and "running" there is no
moment at which somebody else could die and leave the job to nobody, or to two.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from studio.queue import held
from studio.queue.jobs import Job
from studio.queue.places import Places
from studio.queue.store import JobStore

USERS_MISTAKE = 2


def main(runs: Path) -> None:
    places = Places(runs)
    job = JobStore(places.database).take(os.getpid(), lambda job: _hold(places, job))
    if job is None:
        return
    run = places.run_of(job)
    what = [
        *(("resume", run) if run else ("train", str(places.recipe_file(job)))),
        "--runs",
        str(places.runs),
    ]
    _speak_into(places.log(job).open(f"studio {' '.join(what)}"))
    try:
        os.chdir(job.folder)
    except OSError as error:
        sys.stderr.write(f"error: {job.folder}, where the job was added: {error.strerror}\n")
        sys.exit(USERS_MISTAKE)
    # Behind an `&` of a shell script it would be ignored, and the job could not be stopped.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "studio", *what])


def _hold(places: Places, job: Job) -> bool:
    """Take the job's lock for the life of this process and of what it becomes."""
    lock = places.trainer_lock(job)
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = held.hold(lock)
    if descriptor is None:
        return False
    os.set_inheritable(descriptor, True)
    return True


def _speak_into(log: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.close(log)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
