from __future__ import annotations

from dataclasses import replace
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

LORA = next(p for p in starting_points() if p.name == "pocket_lora_flat-icons")
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
    assert sheet.text.startswith("# Needs:   ")  # what it was made for is not what it is for here
    assert "# Command" not in sheet.text
    as_shipped = read(point.text("mine", {}))
    assert as_shipped.text.startswith("# What:    ")
    assert as_shipped.problems == ()
    if "svd" not in point.name:  # which learns from clips, and none ship
        assert Path(as_shipped.content["dataset"]["source"]).is_dir()


@pytest.mark.parametrize(
    ("budget", "every"),
    [
        ({"steps": 12}, 10),
        ({"steps": 300}, 60),
        ({"steps": 1000}, 200),
        ({"steps": 1200}, 250),
        ({"steps_per_image": 100}, 200),
        ({"minutes": 5}, 200),
    ],
)
def test_about_five_stages_are_seen_while_it_trains(budget: dict[str, int], every: int) -> None:
    point = replace(LORA, content=dict(LORA.content) | {"budget": budget})
    assert read(point.text("mine", SET)).content["sampling"]["every_steps"] == every


def test_what_a_recipe_says_of_its_samples_counts() -> None:
    own = {"every_steps": 0, "seeds": [3]}
    point = replace(LORA, content=dict(LORA.content) | {"sampling": own})
    assert read(point.text("mine", SET)).content["sampling"] == own
    seeds = replace(LORA, content=dict(LORA.content) | {"sampling": {"seeds": [3]}})
    assert read(seeds.text("mine", SET)).content["sampling"].keys() == {"every_steps", "seeds"}


def test_where_room_is_scarce_nothing_is_drawn_beside_training() -> None:
    roomy = {p.name for p in starting_points() if p.draws_in_training}
    assert roomy >= {p.name for p in starting_points() if p.memory_gb is None}
    assert roomy >= {"sd15_lora_style_8gb", "sdxl_textual-inversion_object_12gb"}
    scarce = {"sd15_lora_style_4gb", "sdxl_lora_subject_8gb", "svd_lora_motion_24gb"}
    assert not roomy & scarce
    tight = next(p for p in starting_points() if p.name == "sd15_lora_style_4gb")
    assert "every_steps" not in read(tight.text("mine", SET)).content.get("sampling", {})


@pytest.mark.parametrize("method", registry.plugins())
def test_any_method_has_a_beginning_even_without_a_trigger(method: str) -> None:
    beginning = read(starter_text("mine", method, "pocket", SET))
    assert beginning.problems == ()
    assert beginning.content["sampling"]["every_steps"] > 0
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
    assert "sampling" not in sheet.content
