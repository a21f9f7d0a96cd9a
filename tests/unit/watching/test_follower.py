from __future__ import annotations

from pathlib import Path

from studio.run_folder import RunFolder
from studio.watching.follower import VALIDATION, RunFollower


def test_a_run_is_followed_from_its_first_stage_to_its_verdict(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "demo")
    follower = RunFollower(folder)
    assert follower.look().stage == ""

    folder.events.append("stage", title="preparing pictures")
    assert follower.look().stage == "preparing pictures"

    folder.events.append("training_started", first_step=0, total_steps=3)
    folder.events.append("validation", 0, loss=1.5)
    folder.events.append("step", 1, total_steps=3, loss=1.2, learning_rate=0.0, eta_seconds=20.0)
    seen = follower.look()
    assert (seen.stage, seen.step, seen.total_steps, seen.eta_seconds) == ("", 1, 3, 20.0)
    assert [p.value for p in seen.curves["loss"].points()] == [1.2]
    assert [p.step for p in seen.curves[VALIDATION].points()] == [0]
    assert [p.value for p in seen.curves["learning_rate"].points()] == [0.0]

    folder.events.append("warning", message="slow")
    folder.events.append("evaluated", verdict="it learned")
    assert follower.look().warnings == ["slow"]
    assert follower.look().verdict == "it learned"


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "demo")
    folder.events.append("step", 1, total_steps=3, loss=float("nan"))
    folder.events.append("validation", 1, loss=float("inf"))
    seen = RunFollower(folder).look()
    assert seen.step == 1
    assert not seen.curves["loss"].points()
    assert not seen.curves[VALIDATION].points()


def test_a_run_that_goes_on_from_a_checkpoint_does_its_steps_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "demo")
    follower = RunFollower(folder)
    folder.events.append("training_started", first_step=0, total_steps=5)
    for step in (1, 2, 3, 4):
        folder.events.append("step", step, total_steps=5, loss=float(step))
    follower.look()
    folder.events.append("training_started", first_step=2, total_steps=5)
    assert follower.look().step == 2
    folder.events.append("step", 3, total_steps=5, loss=9.0)
    assert [p.value for p in follower.look().curves["loss"].points()] == [1.0, 2.0, 9.0]
