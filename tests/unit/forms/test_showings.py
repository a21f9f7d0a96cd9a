from __future__ import annotations

from pathlib import Path

import pytest

from studio.forms.showings import showings
from studio.recipe import Recipe, recipe_from_dict, starter_recipe
from studio.recipe.overrides import apply_overrides


def recipe(*changes: str) -> Recipe:
    content = starter_recipe(Path("/pictures"), trigger="zorp").model_dump(mode="json")
    return recipe_from_dict(apply_overrides(content, changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("budget={steps: 300}",), "300 steps show each of the 96 pictures about 12 times."),
        (("budget={steps: 24}",), "24 steps show each of the 96 pictures about once."),
        (
            ("budget={steps: 24}", "optimizer.train_batch_size=1"),
            "24 steps show each of the 96 pictures less than once.",
        ),
        (
            ("budget={steps_per_image: 100}",),
            "2,400 steps show each of the 96 pictures about 100 times.",
        ),
        (
            ("budget={steps: 300}", "optimizer.gradient_accumulation_steps=4"),
            "300 steps show each of the 96 pictures about 50 times.",
        ),
    ],
)
def test_steps_are_told_as_showings(changes: tuple[str, ...], told: str) -> None:
    assert showings(recipe(*changes), 96).startswith(told)


def test_what_nobody_can_know_is_not_told() -> None:
    assert showings(recipe("budget={minutes: 5}"), 96) == ""
    assert showings(recipe(), 0) == ""


def test_only_of_the_small_model_it_is_said_that_it_learns_from_fewer() -> None:
    large = recipe("base_model=stable-diffusion-v1-5/stable-diffusion-v1-5")
    assert "small model" in showings(recipe(), 96)
    assert "small model" not in showings(large, 96)
