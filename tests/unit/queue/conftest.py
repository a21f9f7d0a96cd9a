from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.queue import Job, Queue
from studio.queue.store import JobStore
from studio.recipe import Recipe, recipe_from_dict

Until = Callable[[Callable[[], bool]], None]
Elsewhere = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def queue(runs: Path) -> Iterator[Queue]:
    """A queue whose worker and trainer, if it has any, do not outlive the test."""
    queue = Queue(runs)
    yield queue
    queue.stop_worker()
    for job in queue.jobs():
        if job.state == "running":
            queue.stop(job.id)
            queue.stop(job.id)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "one.png").write_bytes(b"looked at by the trainer, not by the queue")
    return folder


@pytest.fixture
def recipe(pictures: Path) -> Recipe:
    content = {"name": "demo", "dataset": {"source": str(pictures)}, "trainer": {"kind": "lora"}}
    return recipe_from_dict(content)


@pytest.fixture
def add(queue: Queue, tmp_path: Path) -> Callable[[str], Job]:
    """Queue a job by name alone, unlooked at."""
    store = JobStore(queue.places.database)
    return lambda name: store.add("train", name, f"name: {name}\n", folder=tmp_path)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Run Python in another process, until it has printed a line; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def until() -> Until:
    def wait(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)

    return wait
