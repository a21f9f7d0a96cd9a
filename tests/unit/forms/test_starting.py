from __future__ import annotations

from pathlib import Path

import pytest

from studio import registry
from studio.forms.sheet import read
from studio.forms.starting import (
    POCKET_TITLE,
    StartingPoint,
    base_title,
    starter_text,
    starting_points,
    text_of_run,
)
from studio.recipe import load_recipe
from studio.run_folder import RunFolder

SET = {"source": "/pictures", "trigger": "zorp", "curation": {"drop": ["a.png"]}}


def test_every_ready_recipe_is_one() -> None:
    recipes = Path(__file__).parents[3] / "recipes"
    points = starting_points()
    assert {point.name for point in points} == {path.stem for path in recipes.glob("*.yaml")}
    assert all(point.what.endswith(".") and point.needs for point in points)
    assert {point.memory_gb for point in points if point.base == POCKET_TITLE} == {None}


@pytest.mark.parametrize("point", starting_points(), ids=lambda point: point.name)
def test_a_set_of_ones_own_takes_the_place_of_the_sample(point: StartingPoint) -> None:
    sheet = read(point.text("mine", SET, "/models/base"))
    assert sheet.content["name"] == "mine"
    assert sheet.content["dataset"].items() >= SET.items()
    assert sheet.content["base_model"] == "/models/base"
    assert sheet.text.startswith("# What:    ")
    assert "# Command" not in sheet.text
    as_shipped = read(point.text("mine", {}))
    assert as_shipped.problems == ()
    if "svd" not in point.name:  # which learns from clips, and none ship
        assert Path(as_shipped.content["dataset"]["source"]).is_dir()


@pytest.mark.parametrize("method", registry.plugins())
def test_any_method_has_a_beginning_even_without_a_trigger(method: str) -> None:
    assert read(starter_text("mine", method, "pocket", SET)).problems == ()
    bare = read(starter_text("mine", method, "pocket", {"source": "/pictures"}))
    assert {problem.path for problem in bare.problems} <= {"dataset.trigger"}
    assert "my-word" not in bare.text


def test_base_models_are_called_as_people_do() -> None:
    assert base_title("pocket") == POCKET_TITLE
    assert base_title("stabilityai/stable-diffusion-xl-base-1.0") == "Stable Diffusion XL"
    assert base_title("/models/mine.safetensors") == "/models/mine.safetensors"


def test_a_runs_recipe_is_found_again_wherever_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    file = tmp_path / "one.yaml"
    file.write_text(
        "# What: mine.\nname: one\ndataset: {source: pictures}\ntrainer: {kind: lora}\n"
    )
    recipe = load_recipe(file)
    run = RunFolder.create(tmp_path / "runs", "one")
    run.write_recipe(recipe)
    run.write_lock(recipe.model_dump(mode="json"))
    sheet = read(text_of_run(run, "two"))
    assert sheet.content["name"] == "two"
    assert sheet.content["dataset"] == {"source": str(tmp_path / "pictures")}
    assert "optimizer" not in sheet.content
