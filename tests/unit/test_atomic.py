from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from studio import atomic


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    atomic.write_text(path, "é\r\nx\n")
    assert path.read_bytes() == "é\r\nx\n".encode()
    atomic.write_text(path, "new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["b.txt"]


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "x.json", {"b": "é", "a": 1})
    text = (tmp_path / "x.json").read_text("utf-8")
    assert text == '{\n  "b": "é",\n  "a": 1\n}\n'
    assert json.loads(text) == {"b": "é", "a": 1}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    atomic.write_text(path, "old")

    def run_out_of_space() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        run_out_of_space()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_failure_where_nothing_was_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        atomic.write_json(tmp_path / "x", object())
    assert names(tmp_path) == []


def test_a_failing_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    atomic.write_text(path, "old")

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_reader_sees_old_or_new_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    atomic.write_text(path, "old")
    with atomic.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_files_and_folders_have_the_usual_rights(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        atomic.write_text(tmp_path / "x", "")
        with atomic.replacing_folder(tmp_path / "f"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o755


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f"

    def fail_half_way() -> None:
        with atomic.replacing_folder(path) as temporary:
            (temporary / "a").write_text("half")
            assert not path.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert names(tmp_path) == []
    with atomic.replacing_folder(path) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "a").write_text("whole")
    assert names(tmp_path) == ["f"]
    assert (path / "sub" / "a").read_text() == "whole"


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for content in ("old", "new"):
        with atomic.replacing_folder(path) as temporary:
            (temporary / content).write_text(content)
    assert names(tmp_path) == ["f"]
    assert names(path) == ["new"]
    with pytest.raises(RuntimeError), atomic.replacing_folder(path) as temporary:
        raise RuntimeError
    assert names(path) == ["new"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    atomic.write_text(path, "old")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from studio import atomic\n"
        "with atomic.replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -9
    assert path.read_text() == "old"
    atomic.write_text(path, "new")
    assert path.read_text() == "new"
