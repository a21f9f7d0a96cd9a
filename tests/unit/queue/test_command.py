from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.cli.entry import exit_code
from studio.queue import Queue


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def studio(
    queue: Queue, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> Callable[..., Outcome]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        code = exit_code(["queue", *map(str, arguments)])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def file(pictures: Path, tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text("name: demo\ndataset: {source: pictures}\ntrainer: {kind: lora}\n")
    return path


def test_jobs_are_added_moved_and_cancelled(studio, file: Path, queue: Queue) -> None:
    assert "nothing was queued in runs yet" in studio("list").err
    added = studio("add", file)
    assert (added.code, added.out) == (0, "job 1 (demo) is waiting in place 1\n")
    assert added.err == "no worker is running; start it with: studio queue start\n"
    job = json.loads(studio("add", file, "--set", "name=second", "--json").out)
    assert (job["id"], job["name"], job["place"]) == (2, "second", 2)
    assert str(file.parent / "pictures") in job["recipe"]
    assert studio("move", 2, 1).out == "job 2 (second) is waiting in place 1\n"
    assert studio("cancel", 1).out == "job 1 (demo) is cancelled\n"
    lines = [line.split() for line in studio("list").out.splitlines()]
    assert lines == [
        ["ID", "STATE", "PLACE", "NAME", "RUN", "ERROR"],
        ["2", "waiting", "1", "second"],
        ["1", "cancelled", "demo"],
    ]
    assert studio("resume", 1).out == "job 1 (demo) is waiting in place 2\n"
    listed = json.loads(studio("list", "--json").out)
    assert listed["worker"] is None
    assert [job["id"] for job in listed["jobs"]] == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "demo.yaml", "--set", "trainer.rnak=3"), "trainer.rnak"),
        (("add", "demo.yaml", "--set", "dataset.source=nowhere"), "no folder nowhere"),
        (("add", "none.yaml"), "there is no such recipe"),
        (("add",), "give a recipe"),
        (("add", "demo.yaml", "--run", "x"), "give a recipe"),
        (("add", "--run", "x"), 'there is no run "x"'),
        (("cancel", 9), "there is no job 9"),
        (("stop", 9), "there is no job 9"),
        (("stop",), "give a job's number, or --worker"),
        (("move", 1, "front"), "place"),
    ],
)
def test_a_mistake_is_one_line(studio, file: Path, arguments, message: str) -> None:
    outcome = studio(*arguments)
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    [line] = outcome.err.splitlines()
    assert message in line
    assert not Path("runs").exists()


def test_a_broken_queue_is_one_line(studio, file: Path) -> None:
    studio("add", file)
    Path("runs/queue.sqlite").write_text("spoilt")
    for arguments in (("list",), ("add", file), ("cancel", 1)):
        outcome = studio(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        [line] = outcome.err.splitlines()
        assert "runs/queue.sqlite holds no queue that can be read" in line
    Path("runs/queue.sqlite").unlink()


def test_the_worker_is_started_and_ended(studio, queue: Queue) -> None:
    pid = json.loads(studio("start", "--json").out)["worker"]
    assert studio("start").out == f"the worker runs as process {pid}\n"
    assert json.loads(studio("list", "--json").out)["worker"] == pid
    assert studio("stop", "--worker").out == "the worker has ended\n"
    assert json.loads(studio("stop", "--worker", "--json").out) == {"stopped": False}


def test_the_queue_imports_no_torch(file: Path) -> None:
    script = (
        "import sys\n"
        "from studio.cli.entry import exit_code\n"
        "import studio.queue.worker, studio.queue.trainer\n"
        "assert 'cv2' not in sys.modules\n"
        "for what in (['add', 'demo.yaml'], ['list'], ['cancel', '1']):\n"
        "    assert exit_code(['queue', *what]) == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=file.parent)
