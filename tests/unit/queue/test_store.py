from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from studio.queue import Job, QueueError
from studio.queue.store import JobStore

TAKE_ALL = """
import os, sys, time
from pathlib import Path
from studio.queue.store import JobStore
store, deadline = JobStore(Path(sys.argv[1])), time.monotonic() + 30
while store.jobs() and store.jobs()[0].state in ("waiting", "running") and time.monotonic() < deadline:
    job = store.take(os.getpid(), lambda job: True)
    if job:
        print(job.id, flush=True)
        store.end(job, "done")
"""


def ids(store: JobStore, state: str) -> list[int]:
    return [job.id for job in store.jobs() if job.state == state]


class InOrder(RuleBasedStateMachine):
    """The store beside a list: what waits is where it was put, whatever else happens."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = JobStore(Path(self.folder.name) / "queue.sqlite")
        self.waiting: list[int] = []
        self.ended: list[int] = []
        self.running: Job | None = None

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule()
    def add(self) -> None:
        self.waiting.append(self.store.add("train", "x", "name: x", folder=Path()).id)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), place=st.integers(1, 6))
    def move(self, data: st.DataObject, place: int) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        self.waiting.insert(place - 1, job)
        assert self.store.move(job, place).place == min(place, len(self.waiting))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(job)
        self.ended.append(self.store.cancel(job).id)

    @rule()
    def take(self) -> None:
        taken = self.store.take(7, lambda _: True)
        if self.running or not self.waiting:
            assert taken is None
        else:
            assert taken is not None
            assert taken.id == self.waiting.pop(0)
            self.running = taken

    @precondition(lambda self: self.running)
    @rule(state=st.sampled_from(["done", "failed", "interrupted"]))
    def end(self, state: str) -> None:
        assert self.running is not None
        self.store.end(self.running, state)
        if state != "done":
            self.ended.append(self.running.id)
        self.running = None

    @precondition(lambda self: self.running)
    @rule()
    def die(self) -> None:
        assert self.running is not None
        self.store.again(self.running)
        self.waiting.insert(0, self.running.id)
        self.running = None

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.ended))
        self.ended.remove(job)
        self.waiting.append(self.store.resume(job, lambda _: True).id)

    @invariant()
    def what_waits_is_in_order(self) -> None:
        waiting = [job for job in self.store.jobs() if job.state == "waiting"]
        assert [job.id for job in waiting] == self.waiting
        assert [job.place for job in waiting] == list(range(1, len(waiting) + 1))
        assert ids(self.store, "running") == ([self.running.id] if self.running else [])


InOrder.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
TestInOrder = InOrder.TestCase


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "queue.sqlite")


def test_processes_never_take_the_same_job(store: JobStore, tmp_path: Path) -> None:
    added = [store.add("train", "x", "name: x", folder=tmp_path).id for _ in range(30)]
    command = [sys.executable, "-c", TAKE_ALL, str(tmp_path / "queue.sqlite")]
    takers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = [int(line) for taker in takers for line in taker.communicate(timeout=60)[0].split()]
    assert sorted(taken) == added
    assert [taker.returncode for taker in takers] == [0, 0, 0]
    assert len(ids(store, "done")) == 30


def test_threads_that_begin_a_queue_at_once_lose_nothing(store: JobStore, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(
            pool.map(lambda n: store.add("train", f"{n}", "name: x", folder=tmp_path).id, range(24))
        )
    assert sorted(added) == list(range(1, 25))
    assert ids(store, "waiting") == list(range(1, 25))


def test_looking_leaves_no_trace(store: JobStore, tmp_path: Path) -> None:
    assert store.jobs() == []
    assert store.running() is None
    with pytest.raises(QueueError, match="there is no job 3"):
        store.job(3)
    with pytest.raises(QueueError, match="there is no job 3"):
        store.move(3, 1)
    assert list(tmp_path.iterdir()) == []


def test_what_a_job_is_not_fit_for_is_refused(store: JobStore, tmp_path: Path) -> None:
    number = store.add("train", "x", "name: x", folder=tmp_path).id
    for refused, message in (
        (lambda: store.move(number, 0), "there is no place 0; the first is 1"),
        (lambda: store.want_stop(number), "is waiting; only a job that runs can be stopped"),
        (lambda: store.resume(number, lambda _: True), "is waiting; there is nothing to go on"),
    ):
        with pytest.raises(QueueError, match=message):
            refused()
    store.cancel(number)
    with pytest.raises(QueueError, match="is cancelled; only a job that waits can be moved"):
        store.move(number, 1)
    with pytest.raises(QueueError, match="is cancelled; only a job that waits can be cancelled"):
        store.cancel(number)


def test_an_end_that_comes_late_changes_nothing(store: JobStore, tmp_path: Path) -> None:
    """The worker writes down an end just when somebody has queued the job again."""
    store.add("train", "x", "name: x", folder=tmp_path)
    first = store.take(1, lambda _: True)
    assert first is not None
    store.resume(first.id, lambda _: False)
    second = store.take(2, lambda _: True)
    store.end(first, "failed", "late")
    store.again(first)
    assert store.running() == second
    assert second is not None
    assert (second.attempts, second.pid) == (1, 2)
