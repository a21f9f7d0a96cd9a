"""Real workers and real trainers; the trainers here end before they train."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from studio.queue import Queue, QueueError
from studio.queue.jobs import MAX_ATTEMPTS
from studio.queue.worker import Worker
from studio.recipe import Recipe


@pytest.fixture
def worker(queue: Queue) -> Worker:
    return Worker(queue.places)


def signalled(queue: Queue, number: signal.Signals, until) -> threading.Thread:
    """Send the next trainer a signal while it starts."""
    before = {job.started for job in queue.jobs()}

    def send() -> None:
        def started() -> bool:
            return any(j.state == "running" and j.started not in before for j in queue.jobs())

        until(started)
        [job] = [j for j in queue.jobs() if j.state == "running"]
        assert job.pid is not None
        os.kill(job.pid, number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_nothing_to_do(worker: Worker) -> None:
    assert not worker.turn()


def test_a_mistake_of_the_user_is_not_tried_again(
    queue: Queue, recipe: Recipe, worker: Worker, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    job = queue.add(recipe)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").rmdir()
    assert worker.turn()
    job = queue.job(job.id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.error == f"{tmp_path / 'here'}, where the job was added: No such file or directory"
    assert not worker.turn()


def test_what_the_trainer_says_is_wrong_is_the_jobs_error(
    queue: Queue, add, worker: Worker
) -> None:
    job = add("unlooked-at")
    assert worker.turn()
    job = queue.job(job.id)
    assert (job.state, job.attempts, job.run) == ("failed", 1, None)
    assert job.error is not None
    assert "missing" in job.error
    assert f"error: {job.error}" in queue.log(job.id)


def test_a_trainer_that_dies_is_replaced_and_in_the_end_given_up(
    queue: Queue, recipe: Recipe, worker: Worker, until
) -> None:
    job, other = queue.add(recipe), queue.add(recipe)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        killing = signalled(queue, signal.SIGKILL, until)
        assert worker.turn()
        killing.join()
        job = queue.job(job.id)
        assert job.attempts == attempt
        if attempt < MAX_ATTEMPTS:
            assert (job.state, job.place) == ("waiting", 1)
    assert job.state == "failed"
    assert job.error == "the trainer was ended by SIGKILL, most likely for want of memory"
    assert queue.job(other.id).place == 1
    assert queue.resume(job.id).attempts == 0
    assert queue.job(job.id).place == 2


def test_a_trainer_that_is_stopped_while_it_starts_is_interrupted(
    queue: Queue, recipe: Recipe, worker: Worker, until
) -> None:
    job = queue.add(recipe)
    stopping = threading.Thread(
        target=lambda: (until(lambda: queue.job(job.id).state == "running"), queue.stop(job.id))
    )
    stopping.start()
    assert worker.turn()
    stopping.join()
    assert (queue.job(job.id).state, queue.job(job.id).error) == ("interrupted", None)


def test_one_worker_for_a_folder(queue: Queue, runs: Path, until) -> None:
    assert queue.worker_pid() is None
    assert not queue.stop_worker()
    pids: list[int] = []
    starts = [threading.Thread(target=lambda: pids.append(queue.start_worker())) for _ in range(3)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(set(pids)) == 1
    assert queue.worker_pid() == pids[0]
    assert os.getsid(pids[0]) == pids[0]
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: queue.worker_pid() is None)
    assert queue.start_worker() != pids[0]
    assert queue.stop_worker()
    assert queue.worker_pid() is None


def test_a_worker_ends_with_its_folder(queue: Queue, runs: Path, until) -> None:
    worker = psutil.Process(queue.start_worker())
    shutil.rmtree(runs)
    until(lambda: not worker.is_running())


def test_a_worker_without_a_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(QueueError, match="cannot start a worker in"):
        Queue(tmp_path / "runs").start_worker()


def test_a_worker_that_cannot_read_the_queue_says_so(queue: Queue, add, runs: Path, until) -> None:
    add("one")
    (runs / "queue.sqlite").write_text("spoilt")
    with suppress(QueueError):  # it may come up before it reads
        queue.start_worker()
    until(lambda: queue.worker_pid() is None)
    assert "holds no queue that can be read" in queue.places.worker_log.read_text()
    (runs / "queue.sqlite").unlink()
