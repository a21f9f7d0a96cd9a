from __future__ import annotations

from pathlib import Path

from studio.events import EventLog
from studio.watching.tail import EventTail


def test_each_event_is_told_once(tmp_path: Path) -> None:
    log, tail = EventLog(tmp_path / "events.jsonl"), EventTail(tmp_path / "events.jsonl")
    assert tail.new() == []
    log.append("step", 1)
    log.append("step", 2)
    assert [event["step"] for event in tail.new()] == [1, 2]
    log.append("step", 3)
    assert [event["step"] for event in tail.new()] == [3]
    assert tail.new() == []
    assert not tail.begins_anew


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    path.write_bytes(b'{"event": "step", "step": 1}\n{"event": "st')
    assert [event["step"] for event in tail.new()] == [1]
    with path.open("ab") as file:
        file.write(b'ep", "step": 2}\n')
    assert [event["step"] for event in tail.new()] == [2]


def test_a_torn_line_that_the_next_writer_cuts_off_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "step", "step": 1}\n{"event": "st')
    tail = EventTail(path)
    tail.new()
    EventLog(path).append("step", 2)
    assert [event["step"] for event in tail.new()] == [2]
    assert not tail.begins_anew


def test_another_file_in_its_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "step", "step": 1}\n')
    tail = EventTail(path)
    tail.new()
    (tmp_path / "other").write_bytes(
        b'{"event": "step", "step": 7}\n{"event": "step", "step": 8}\n'
    )
    (tmp_path / "other").replace(path)
    assert [event["step"] for event in tail.new()] == [7, 8]
    assert tail.begins_anew


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "step", "step": 1}\n' * 1000)
    tail = EventTail(path)
    tail.new()
    with path.open("r+b") as file:  # what was read already may become anything
        file.write(b"x" * 29 * 999)
    EventLog(path).append("step", 2)
    assert [event["step"] for event in tail.new()] == [2]
