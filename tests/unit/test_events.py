from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from studio.events import EventLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "events.jsonl"


def test_events_are_read_in_order(path: Path) -> None:
    log = EventLog(path)
    before = time.time()
    log.append("step", 1, loss=0.5)
    log.append("note", text="é\nx")
    first, second = log.read()
    assert first == {"time": first["time"], "event": "step", "step": 1, "loss": 0.5}
    assert before - 1 <= first["time"] <= time.time() + 1
    assert second["text"] == "é\nx"
    assert "step" not in second
    assert log.latest("step") == first
    assert log.latest("other") is None


def test_there_is_no_file_until_there_is_an_event(path: Path) -> None:
    assert list(EventLog(path).read()) == []
    assert not path.exists()


@pytest.mark.parametrize("torn", [b'{"time": 1, "ev', b"\xff\xfe", b"[1]", b"7", b"\0\0\0"])
def test_a_torn_tail_is_passed_over_and_cut_by_the_next_writer(path: Path, torn: bytes) -> None:
    EventLog(path).append("step", 1)
    with path.open("ab") as file:
        file.write(torn)
    assert [e["step"] for e in EventLog(path).read()] == [1]
    EventLog(path).append("step", 2)
    assert [e["step"] for e in EventLog(path).read()] == [1, 2]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_numbers_that_json_lacks_become_null(path: Path) -> None:
    EventLog(path).append("step", 1, loss=float("nan"), rate=float("inf"))
    [event] = EventLog(path).read()
    assert (event["loss"], event["rate"]) == (None, None)


def test_two_logs_on_one_file_do_not_overwrite_each_other(path: Path) -> None:
    one, other = EventLog(path), EventLog(path)
    for step in range(4):
        (one if step % 2 else other).append("step", step)
    assert [e["step"] for e in one.read()] == [0, 1, 2, 3]
