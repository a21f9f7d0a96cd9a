"""Whatever is killed, the queue tells the truth, and the run comes to its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from studio.queue import Job, Queue
from studio.recipe import load_recipe
from studio.run_folder import RunFolder, list_runs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STEPS = 24
RECIPE = f"""
name: queued
seed: 7
dataset:
  source: {ROOT / "datasets" / "mascot"}
  trigger: zorp
trainer: {{kind: lora, rank: 4}}
budget: {{steps: {STEPS}}}
optimizer: {{learning_rate: 1e-3, train_batch_size: 1}}
checkpoint: {{every_steps: 2}}
validation: {{enabled: false}}
precision: {{num_threads: 1}}
sampling: {{prompts: [zorp], seeds: [0], num_inference_steps: 1}}
evaluation: {{enabled: false}}
export: {{formats: [kohya]}}
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # another file's tests have the other core
    queue = Queue(tmp_path / "runs")
    yield queue
    queue.stop_worker()
    for job in queue.jobs():
        if job.state == "running" and job.pid is not None:
            os.kill(job.pid, signal.SIGKILL)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, "utf-8")
    return path


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def steps_done(queue: Queue) -> int:
    events = queue.places.runs / "queued" / "events.jsonl"
    return events.read_text("utf-8").count('"event": "step"') if events.exists() else 0


def train_for(queue: Queue, number: int, attempts: int, steps: int) -> Job:
    """The job as it runs, that many steps further on."""
    done = steps_done(queue)
    until(lambda: steps_done(queue) >= done + steps or queue.job(number).ended is not None)
    job = queue.job(number)
    assert (job.state, job.run, job.attempts) == ("running", "queued", attempts), queue.log(number)
    return job


def kill(*pids: int | None) -> None:
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


def test_worker_and_trainer_are_killed_in_mid_training(recipe: Path, queue: Queue) -> None:
    number = queue.add(load_recipe(recipe)).id
    first = queue.start_worker()

    job = train_for(queue, number, attempts=1, steps=3)
    kill(first)
    until(lambda: queue.worker_pid() is None)
    assert queue.job(number) == job, "the trainer outlives the worker"
    second = queue.start_worker()
    adopted = train_for(queue, number, attempts=1, steps=2)
    assert adopted.pid == job.pid

    kill(adopted.pid)
    resumed = train_for(queue, number, attempts=2, steps=3)
    assert resumed.pid != adopted.pid

    kill(second, resumed.pid)
    until(lambda: not psutil.pid_exists(resumed.pid or 0))
    assert queue.worker_pid() is None
    assert queue.job(number).state == "interrupted"
    queue.start_worker()

    train_for(queue, number, attempts=3, steps=2)
    queue.stop(number)
    until(lambda: queue.job(number).state != "running")
    stopped = queue.job(number)
    assert (stopped.state, stopped.error) == ("interrupted", None)
    assert "stopped at step" in queue.log(number)
    queue.resume(number)

    until(lambda: queue.job(number).ended is not None)
    done = queue.job(number)
    assert (done.state, done.run, done.attempts) == ("done", "queued", 1), queue.log(number)
    run = RunFolder(queue.places.runs / "queued")
    assert [summary.path for summary in list_runs(queue.places.runs)] == [run.path]
    assert (run.state, run.summary().steps_done) == ("finished", STEPS)
    assert [path.name for path in run.adapter_files()] == ["queued.safetensors"]
