"""An adapter from a checkpoint on the shipped base: at the last step, the very bytes of the export."""

from __future__ import annotations

import pytest

from studio.run_folder import RunFolder

pytestmark = pytest.mark.slow


def test_the_last_checkpoint_is_what_was_exported(demo, studio, tmp_path) -> None:
    run = RunFolder(demo.folder)
    *_, last = run.checkpoint_steps()
    words = ("--checkpoint", str(last), "--to", "kohya", "--out", tmp_path / "out")
    done = studio("export", "demo", *words, "--runs", demo.folder.parent)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / demo.adapter.name).read_bytes() == demo.adapter.read_bytes()


def test_a_step_without_one_is_refused_and_those_there_are_named(demo, studio, tmp_path) -> None:
    words = ("--checkpoint", "1", "--to", "kohya", "--out", tmp_path / "out")
    done = studio("export", "demo", *words, "--runs", demo.folder.parent)
    assert done.returncode == 2
    assert "keeps no checkpoint of step 1; there are:" in done.stderr
    assert not (tmp_path / "out").exists()
