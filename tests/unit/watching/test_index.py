from __future__ import annotations

from pathlib import Path

import pytest

from studio.recipe import starter_recipe
from studio.run_folder import RunFolder, list_runs
from studio.watching.index import RunIndex
from studio.watching.samples import samples


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    recipe = starter_recipe(tmp_path / "pictures")
    for name in ("one", "two", "three"):
        RunFolder.create(tmp_path / "runs", name).write_recipe(recipe)
    return tmp_path / "runs"


def test_it_lists_what_the_command_lists(runs: Path) -> None:
    index = RunIndex(runs)
    assert index.all() == list_runs(runs)
    RunFolder(runs / "two").events.append("step", 5, total_steps=9)
    RunFolder(runs / "two").set_state("finished")
    assert index.all() == list_runs(runs)
    assert {s.name: s.steps_done for s in index.all()}["two"] == 5


def test_only_what_changed_is_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = RunIndex(runs)
    index.all()
    read: list[str] = []
    summary = RunFolder.summary

    def counted(folder: RunFolder) -> object:
        read.append(folder.name)
        return summary(folder)

    monkeypatch.setattr(RunFolder, "summary", counted)
    index.all()
    assert read == []
    RunFolder(runs / "two").events.append("step", 5, total_steps=9)
    index.all()
    assert read == ["two"]


def test_a_trainer_that_was_killed_is_seen_though_no_file_has_changed(runs: Path) -> None:
    index = RunIndex(runs)
    with RunFolder(runs / "one").training():
        RunFolder(runs / "one").set_state("running")
        assert {s.name: s.state for s in index.all()}["one"] == "running"
    assert {s.name: s.state for s in index.all()}["one"] == "interrupted"


def test_a_folder_of_runs_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert RunIndex(tmp_path / "nowhere").all() == []


def test_samples_come_in_order_of_their_steps(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "demo")
    assert samples(folder) == []
    for step in (200, 1000, 50):
        place = folder.samples / f"step-{step:06d}"
        place.mkdir(parents=True)
        for number in (1, 0):
            (place / f"{number:02d}.png").touch()
    (folder.samples / "step-002000").mkdir()
    (folder.samples / "preview.png").touch()
    drawn = samples(folder)
    assert [d.step for d in drawn] == [50, 200, 1000]
    assert [p.name for p in drawn[0].pictures] == ["00.png", "01.png"]
