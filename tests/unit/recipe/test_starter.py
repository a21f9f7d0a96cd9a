from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.errors import RecipeError
from studio.recipe import load_recipe, starter_recipe
from studio.recipe.starter import run_name


def test_a_folder_is_enough(tmp_path: Path) -> None:
    recipe = starter_recipe(tmp_path / "My Cats!", trigger="my style")
    assert recipe.name == "my-cats"
    assert recipe.base_model == "pocket"
    assert recipe.dataset.source == str(tmp_path / "My Cats!")
    assert recipe.dataset.trigger == "my style"
    assert recipe.trainer.kind == "lora"
    assert recipe.budget.steps_per_image == 100
    assert recipe.optimizer.learning_rate == 3e-4
    assert recipe.optimizer.train_batch_size == 4


def test_large_bases_learn_more_slowly(tmp_path: Path) -> None:
    recipe = starter_recipe(tmp_path, base_model="runwayml/stable-diffusion-v1-5", name="x")
    assert recipe.optimizer.learning_rate == 1e-4
    by_override = starter_recipe(tmp_path, name="x", overrides=["base_model=some/model"])
    assert by_override.optimizer.learning_rate == 1e-4
    chosen = starter_recipe(tmp_path, name="x", overrides=["optimizer.learning_rate=2e-4"])
    assert chosen.optimizer.learning_rate == 2e-4


def test_its_text_is_the_same_recipe_with_a_header(tmp_path: Path, recipe_file: Any) -> None:
    recipe = starter_recipe(
        tmp_path, trigger="no: #1", name="x", overrides=["budget.steps=5"], file="demo.yaml"
    )
    assert load_recipe(recipe_file(recipe.text)).model_dump() == recipe.model_dump()
    assert "# Command: studio train demo.yaml" in recipe.text


def test_home_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert starter_recipe("~/pictures").dataset.source == str(tmp_path / "pictures")


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='no trainer "lorra" is installed; did you mean "lora"'):
        starter_recipe(tmp_path, name="x", method="lorra")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("My Cats", "my-cats"),
        ("", "run"),
        ("...", "run"),
        ("Été/2024", "été-2024"),
        ("a" * 99, "a" * 80),
    ],
)
def test_any_title_becomes_a_name(title: str, name: str) -> None:
    assert run_name(title) == name
