from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import RecipeError, RunError
from studio.recipe import Recipe, recipe_from_dict
from studio.run_folder import RunFolder, list_runs

HOLD = """
import sys, time
from pathlib import Path
from studio.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).training():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def recipe() -> Recipe:
    return recipe_from_dict(
        {"name": "demo", "dataset": {"source": "p"}, "trainer": {"kind": "lora"}}
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def run(runs: Path, recipe: Recipe) -> RunFolder:
    folder = RunFolder.create(runs, "demo")
    folder.write_recipe(recipe)
    return folder


@pytest.fixture
def trained_elsewhere(run: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run, until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_taken_name_gets_a_number(runs: Path) -> None:
    assert [RunFolder.create(runs, "demo").name for _ in range(3)] == ["demo", "demo-2", "demo-3"]


def test_a_run_cannot_be_made_below_a_file(runs: Path) -> None:
    runs.write_text("")
    with pytest.raises(RunError) as caught:
        RunFolder.create(runs, "demo")
    assert str(runs) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_is_found_by_name_and_by_path(run: RunFolder, runs: Path) -> None:
    assert RunFolder.open("demo", runs).path == run.path
    assert RunFolder.open(run.path, Path("elsewhere")).path == run.path
    assert RunFolder.open(f"{run.path}/").name == "demo"


def test_a_typo_is_answered_with_the_nearest(run: RunFolder, runs: Path) -> None:
    with pytest.raises(RunError) as caught:
        RunFolder.open("dmeo", runs)
    assert str(caught.value) == f'there is no run "dmeo" in {runs}; did you mean "demo"?'
    with pytest.raises(RunError, match="`studio runs list` shows what there is"):
        RunFolder.open("qqq", runs)


def test_a_folder_without_a_recipe_is_no_run(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: it holds no recipe.yaml"):
        RunFolder.open(tmp_path, runs)


def test_recipe_and_lock_come_back(run: RunFolder, recipe: Recipe) -> None:
    assert run.recipe_path.read_text() == recipe.text
    assert run.recipe().model_dump() == recipe.model_dump()
    run.write_lock({**recipe.model_dump(mode="json"), "seed": 9})
    assert run.recipe().seed == 9
    assert run.lock_path.read_text().startswith("# Repeats the run: studio train ")


def test_a_spoilt_recipe_is_an_error_of_the_recipe_but_no_end_of_the_list(
    run: RunFolder, runs: Path
) -> None:
    run.recipe_path.write_text("a: [")
    with pytest.raises(RecipeError):
        run.recipe()
    [summary] = list_runs(runs)
    assert (summary.name, summary.kind) == ("demo", "?")


def test_adapters_by_name(run: RunFolder) -> None:
    assert run.adapter_files() == []
    run.adapter.mkdir()
    for name in ("b.safetensors", "a.safetensors", "notes.txt"):
        (run.adapter / name).write_text("")
    assert [p.name for p in run.adapter_files()] == ["a.safetensors", "b.safetensors"]


def test_a_summary_comes_from_the_files(run: RunFolder, runs: Path) -> None:
    run.events.append("training_started", first_step=0, total_steps=30)
    run.events.append("step", 12, loss=0.1, total_steps=30)
    [summary] = list_runs(runs)
    assert (summary.name, summary.kind, summary.base_model) == ("demo", "lora", "pocket")
    assert (summary.steps_done, summary.steps_total) == (12, 30)
    assert summary.state == "interrupted"
    run.set_state("finished")
    assert list_runs(runs)[0].state == "finished"


def test_runs_are_listed_newest_first_and_other_folders_are_not(
    run: RunFolder, runs: Path, recipe: Recipe
) -> None:
    later = RunFolder.create(runs, "later")
    later.write_recipe(recipe)
    os.utime(run.recipe_path, (1, 1))
    (runs / ".cache").mkdir()
    (runs / "notes.txt").write_text("")
    assert [s.name for s in list_runs(runs)] == ["later", "demo"]
    assert list_runs(runs / "none") == []


def test_looking_at_a_run_leaves_no_trace(run: RunFolder) -> None:
    run.summary()
    assert [p.name for p in run.path.iterdir()] == ["recipe.yaml"]


def test_a_run_held_by_another_process_is_running_and_cannot_be_trained(
    run: RunFolder, trained_elsewhere: subprocess.Popen[str]
) -> None:
    assert run.state == "running"
    with pytest.raises(RunError) as caught, run.training():
        pass
    assert str(caught.value) == (
        'the run "demo" is being trained by another process; wait for it to end, or stop it'
    )


def test_a_killed_process_lets_go_of_its_run(
    run: RunFolder, trained_elsewhere: subprocess.Popen[str]
) -> None:
    run.set_state("running")
    trained_elsewhere.send_signal(signal.SIGKILL)
    trained_elsewhere.wait()
    assert run.state == "interrupted"
    with run.training():
        assert run.state == "running"
    assert run.state == "interrupted"
