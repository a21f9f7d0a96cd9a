from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from studio.queue import Queue, QueueError


def spoil_with_text(path: Path) -> None:
    path.write_text("this was a queue once " * 300)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    path.write_bytes(content)


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table job (id integer)")


@pytest.mark.parametrize("spoil", [spoil_with_text, empty, damage_pages, of_another_program])
def test_a_broken_queue_is_one_clear_line(queue: Queue, add, runs: Path, spoil) -> None:
    add("one")
    path = runs / "queue.sqlite"
    spoil(path)
    with pytest.raises(QueueError) as caught:
        queue.jobs()
    message = str(caught.value)
    assert str(path) in message
    assert "move it away and a new one is made" in message
    assert "\n" not in message
    path.unlink()
    assert add("two").id == 1


def test_a_newer_queue_is_left_alone(queue: Queue, add, runs: Path) -> None:
    add("one")
    with closing(sqlite3.connect(runs / "queue.sqlite")) as connection:
        connection.execute("pragma user_version = 9")
    with pytest.raises(QueueError, match="is of version 9, this studio knows 1"):
        add("two")
    with closing(sqlite3.connect(runs / "queue.sqlite")) as connection:
        connection.execute("pragma user_version = 1")


def test_runs_that_are_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    from studio.queue.store import JobStore

    with pytest.raises(QueueError, match="cannot make a queue in"):
        JobStore(tmp_path / "runs" / "queue.sqlite").add("train", "x", "", folder=tmp_path)


def test_a_change_that_fails_leaves_all_as_it_was(queue: Queue, add) -> None:
    add("one")

    def claim(_job: object) -> bool:
        raise RuntimeError("here the trainer dies")

    with pytest.raises(RuntimeError):
        queue.store.take(1, claim)
    [job] = queue.jobs()
    assert (job.state, job.attempts) == ("waiting", 0)
