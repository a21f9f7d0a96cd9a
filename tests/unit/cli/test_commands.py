from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.errors import RunError
from studio.recipe import Recipe, load_recipe
from studio.run_folder import RunFolder

Studio = Callable[..., Any]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Stands for training: a run folder with an adapter file, and the recipes that came."""
    recipes: list[Recipe] = []

    def run(recipe: Recipe, *, runs: Path, reporter: object) -> RunFolder:
        recipes.append(recipe)
        folder = RunFolder.create(runs, recipe.name)
        folder.write_recipe(recipe)
        folder.adapter.mkdir()
        (folder.adapter / f"{folder.name}.safetensors").write_text("")
        folder.set_state("finished")
        return folder

    monkeypatch.setattr("studio.run.run", run)
    return recipes


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "My Pictures"
    folder.mkdir()
    for n in range(5):
        picture = Image.radial_gradient("L").rotate(n * 70).convert("RGB")
        picture.putpixel((n, n), (255, 0, 0))
        picture.save(folder / f"a cat {n}.png")
    return folder


def test_training_a_recipe_with_changes(studio: Studio, engine: list[Recipe], recipe: Path) -> None:
    outcome = studio(
        "train", recipe, "--set", "seed=5", "--name", "mine", "--steps", 7, "--trigger", "no"
    )
    assert outcome.code == 0, outcome.err
    [given] = engine
    assert (given.seed, given.name, given.budget.steps) == (5, "mine", 7)
    assert given.dataset.trigger == "no"
    assert "adapter  runs/mine/adapter/mine.safetensors" in outcome.out
    assert "recipe   runs/mine/recipe.yaml" in outcome.out


def test_training_a_folder_without_a_recipe(
    studio: Studio, engine: list[Recipe], pictures: Path
) -> None:
    outcome = studio("train", "--dataset", pictures, "--trigger", "my style", "--json")
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert content["name"] == "my-pictures"
    assert content["recipe"] == "runs/my-pictures/recipe.yaml"
    assert engine[0].optimizer.learning_rate == 3e-4
    again = load_recipe(Path(content["recipe"]))
    assert again.model_dump() == engine[0].model_dump()


def test_a_second_run_of_that_name_is_told(
    studio: Studio, engine: list[Recipe], recipe: Path
) -> None:
    studio("train", recipe)
    outcome = studio("train", recipe)
    assert outcome.err == 'there was a run "demo" already; this one is "demo-2"\n'
    assert "runs/demo-2" in outcome.out


def test_the_demo_trains_the_shipped_recipe(studio: Studio, engine: list[Recipe]) -> None:
    outcome = studio("demo")
    assert outcome.code == 0, outcome.err
    assert engine[0].name == "demo"
    assert Path(engine[0].dataset.source).name == "flat-icons"


def test_a_demo_without_the_repository(
    studio: Studio, engine: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.cli.train.DEMO_RECIPE", Path("recipes/none.yaml"))
    outcome = studio("demo")
    assert outcome.code == 2
    assert "the demo needs recipes/none.yaml and its pictures" in outcome.err


def test_resume_opens_the_run(
    studio: Studio, engine: list[Recipe], recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resume(folder: RunFolder, *, reporter: object) -> RunFolder:
        raise RunError(f'the run "{folder.name}" is finished')

    monkeypatch.setattr("studio.run.resume", resume)
    studio("train", recipe)
    assert studio("resume", "demo").err == 'error: the run "demo" is finished\n'


def test_runs_are_listed_and_shown(studio: Studio, engine: list[Recipe], recipe: Path) -> None:
    assert studio("runs", "list").err == "no runs in runs yet; make one with: studio demo\n"
    assert json.loads(studio("runs", "list", "--json").out) == []
    studio("train", recipe)
    heading, row = studio("runs", "list").out.splitlines()
    assert heading.split() == ["NAME", "METHOD", "BASE", "STEPS", "STATE", "CREATED"]
    assert row.split()[:5] == ["demo", "lora", "pocket", "0/?", "finished"]
    [summary] = json.loads(studio("runs", "list", "--json").out)
    assert summary["path"] == "runs/demo"
    shown = json.loads(studio("runs", "show", "demo", "--json").out)
    assert shown["adapter"] == ["runs/demo/adapter/demo.safetensors"]
    assert "adapter runs/demo/adapter/demo.safetensors" in studio("runs", "show", "demo").out


def test_a_new_recipe_is_written_once(studio: Studio, pictures: Path) -> None:
    arguments = ("recipe", "new", "mine.yaml", "--dataset", pictures, "--trigger", "cat")
    assert studio(*arguments).out == "recipe   mine.yaml\n"
    assert studio("recipe", "check", "mine.yaml").out == (
        f"ok: mine.yaml: lora on pocket, from {pictures}\n"
    )
    again = studio(*arguments)
    assert again.code == 2
    assert again.err == "error: mine.yaml is there already; give another name, or remove it\n"


def test_checking_gives_the_whole_recipe_as_json(studio: Studio, recipe: Path) -> None:
    content = json.loads(studio("recipe", "check", recipe, "--json").out)
    assert content["optimizer"]["train_batch_size"] == 4
    assert "lock" not in content


def test_the_schema_is_json(studio: Studio) -> None:
    assert json.loads(studio("recipe", "schema").out)["title"] == "Recipe"


def test_trainers_are_listed_and_shown(studio: Studio) -> None:
    kinds = [t["kind"] for t in json.loads(studio("trainers", "list", "--json").out)]
    assert "lora" in kinds
    assert studio("trainers", "list").out.startswith("lora") or len(kinds) > 1
    settings = json.loads(studio("trainers", "show", "lora", "--json").out)["settings"]
    [rank] = [s for s in settings if s["name"] == "rank"]
    assert (rank["default"], rank["type"]) == (8, "integer")
    assert "rank: 8    (integer)" in studio("trainers", "show", "lora").out


def test_curating_a_folder(studio: Studio, pictures: Path) -> None:
    outcome = studio("curate", pictures, "--set", "dataset.resolution=128", "--out", "c")
    assert outcome.code == 0, outcome.err
    assert Path("c/manifest.json").is_file()
    assert Path("c/report.html").is_file()
    (pictures / "broken.png").write_bytes(b"no picture")
    content = json.loads(
        studio("curate", pictures, "--set", "dataset.resolution=128", "--json").out
    )
    assert content["found"] == 6
    assert content["drop_reasons"] != {}


def test_a_set_that_cannot_be_trained_on_is_reported_and_refused(
    studio: Studio, pictures: Path
) -> None:
    arguments = ("--set", "dataset.resolution=128", "--set", "dataset.curation.min_pictures=9")
    outcome = studio("curate", pictures, *arguments, "--json")
    assert outcome.code == 2
    assert json.loads(outcome.out)["found"] == 5
    assert "at least 9 are needed" in outcome.err
    missing = studio("curate", "nowhere", *arguments)
    assert missing.code == 2
    assert [line.partition(":")[0] for line in missing.err.splitlines()] == [
        "looking at pictures",
        "error",
    ]
    assert "nowhere" in missing.err


def test_doctor_fails_where_something_is_broken(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio import doctor

    fine, broken = doctor.Diagnosis("a", "1"), doctor.Diagnosis("b", "2", False, "mend it")
    monkeypatch.setattr(doctor, "diagnose", lambda _: [fine])
    assert (studio("doctor").code, studio("doctor").out) == (0, "ok  a  1\n")
    monkeypatch.setattr(doctor, "diagnose", lambda _: [fine, broken])
    outcome = studio("doctor")
    assert outcome.code == 1
    assert outcome.out == "ok      a  1\nBROKEN  b  2\n\nWhat to do:\nb: mend it\n"
    assert json.loads(studio("doctor", "--json").out)["ok"] is False
