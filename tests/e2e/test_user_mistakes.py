"""Every mistake a user can make is one clear line and exit code 2, before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPE = "name: x\ndataset: {{source: {source}}}\ntrainer: {{kind: lora{more}}}\n"


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    for number in range(5):
        (broken / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    return {name: tmp_path / name for name in ("missing", "empty", "broken")}


def refused(done) -> str:
    """The error line of a command that refused; checks that it is all there is."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, done.stderr
    return errors[0]


def test_a_typo_in_the_recipe(studio, tmp_path: Path, folders) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(RECIPE.format(source=folders["empty"], more=", rnak: 8"), "utf-8")
    error = refused(studio("train", recipe, "--runs", tmp_path / "runs"))
    assert "trainer.rnak" in error
    assert "rank" in error


@pytest.mark.parametrize("kind", ["missing", "empty", "broken"])
def test_a_folder_that_will_not_do(studio, tmp_path: Path, folders, kind: str) -> None:
    error = refused(
        studio("train", "--dataset", folders[kind], "--trigger", "x", "--runs", tmp_path / "runs")
    )
    assert str(folders[kind]) in error
    assert not (tmp_path / "runs").exists()


def test_a_wrong_base(studio, tmp_path: Path, folders) -> None:
    arguments = ("--dataset", folders["broken"], "--base", tmp_path / "nothing")
    error = refused(studio("train", *arguments, "--runs", tmp_path / "runs"))
    assert "nothing" in error


def test_a_run_that_does_not_exist(studio, tmp_path: Path) -> None:
    assert "no run" in refused(studio("resume", "nobody", "--runs", tmp_path))
