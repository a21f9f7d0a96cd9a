from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.curation.manifest import CuratedSet, Picture
from studio.errors import BaseModelError, DatasetError, RecipeError
from studio.recipe import (
    Recipe,
    load_recipe,
    lock,
    recipe_digest,
    recipe_from_dict,
    require_as_locked,
    yaml_text,
)


def picture(name: str, digest: str = "d", caption: str = "a cat", kept: bool = True) -> Picture:
    return Picture(name, digest * 64, 64, 64, caption, "txt", kept=kept)


@pytest.fixture
def curated(tmp_path: Path) -> CuratedSet:
    return CuratedSet(tmp_path, (picture("b.png"), picture("a.png"), picture("c.png", kept=False)))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return recipe_from_dict(
        {"name": "x", "dataset": {"source": str(tmp_path)}, "trainer": {"kind": "lora"}}
    )


@pytest.fixture
def locked(recipe: Recipe, curated: CuratedSet, recipe_file: Any) -> Recipe:
    """The recipe after a trip through its lock file."""
    return load_recipe(recipe_file(yaml_text.dump(lock(recipe, curated, "b" * 64))))


def test_a_lock_is_a_recipe_with_every_default_written_out(
    recipe: Recipe, locked: Recipe, curated: CuratedSet
) -> None:
    assert locked.model_dump() == recipe.model_dump()
    content = lock(recipe, curated, "b" * 64)
    assert content["optimizer"]["learning_rate"] == 1e-4
    assert content["trainer"]["rank"] == 8
    assert recipe_digest(locked) == recipe_digest(recipe) == content["lock"]["recipe_digest"]


def test_a_lock_names_pictures_base_packages_and_hardware(
    recipe: Recipe, curated: CuratedSet
) -> None:
    found = lock(recipe, curated, "b" * 64, {"steps": 12})["lock"]
    assert [p["name"] for p in found["pictures"]] == ["a.png", "b.png"]
    assert found["pictures"][0]["digest"] == "d" * 64
    assert found["dataset_digest"] == curated.digest
    assert found["dataset_verdict"] == curated.receipt == "ready: 2 of 3 kept; dropped: 1 left out"
    assert found["base_digest"] == "b" * 64
    assert found["steps"] == 12
    assert {"python", "torch", "diffusers", "peft", "adapter-studio"} <= found["packages"].keys()
    assert found["hardware"]["threads"] >= 1


def test_the_same_pictures_pass(locked: Recipe, curated: CuratedSet) -> None:
    require_as_locked(locked, curated=curated, base_digest="b" * 64)


def test_without_a_lock_everything_passes(recipe: Recipe, curated: CuratedSet) -> None:
    require_as_locked(recipe, curated=replace(curated, pictures=()), base_digest="other")


def test_other_pictures_are_named(locked: Recipe, curated: CuratedSet) -> None:
    pictures = (
        picture("a.png", digest="e"),
        picture("b.png", caption="a dog"),
        picture("new.png"),
    )
    with pytest.raises(DatasetError) as caught:
        require_as_locked(locked, curated=replace(curated, pictures=pictures))
    assert str(caught.value) == (
        "the pictures are not those of the lock: a.png has changed, b.png has another caption, "
        "new.png is new; restore them, or train the recipe without its lock section"
    )


def test_of_many_other_pictures_five_are_named(locked: Recipe, curated: CuratedSet) -> None:
    pictures = tuple(picture(f"{n}.png") for n in range(8))
    with pytest.raises(DatasetError, match=r"4\.png is new and 5 more; restore"):
        require_as_locked(locked, curated=replace(curated, pictures=pictures))


def test_another_base_is_refused(locked: Recipe) -> None:
    with pytest.raises(
        BaseModelError, match=r"pocket has weights cccccccccccc, the lock names bbb"
    ):
        require_as_locked(locked, base_digest="c" * 64)


def test_another_vae_is_refused(locked: Recipe) -> None:
    require_as_locked(locked, vae_digest="")
    with pytest.raises(BaseModelError, match=r"base.vae '' has weights c{12}, .* the base itself"):
        require_as_locked(locked, vae_digest="c" * 64)


def test_a_budget_in_minutes_is_repeated_as_the_steps_it_came_to(
    curated: CuratedSet, recipe_file: Any
) -> None:
    recipe = load_recipe(recipe_file.with_minimum("budget: {minutes: 3}"))
    assert recipe.effective_budget.minutes == 3
    again = recipe_from_dict(lock(recipe, curated, "b", {"steps": 77}))
    assert again.effective_budget.steps == 77
    assert recipe_digest(again) == recipe_digest(recipe)
    shorter = recipe_from_dict(lock(recipe, curated, "b", {"steps": 77}), ["budget.minutes=1"])
    assert shorter.effective_budget.minutes == 1


def test_the_digest_knows_settings_but_not_names_and_places(recipe: Recipe) -> None:
    same = recipe.model_dump() | {"name": "other", "dataset": {"source": "elsewhere"}}
    same["dataset"] = recipe.dataset.model_dump() | {"source": "elsewhere"}
    assert recipe_digest(recipe_from_dict(same)) == recipe_digest(recipe)
    assert recipe_digest(recipe_from_dict(same, ["seed=1"])) != recipe_digest(recipe)
    masks = ["dataset.mask=folder", "loss.masked_loss=true", "dataset.mask_folder="]
    here, there = (recipe_from_dict(same, [*masks[:2], masks[2] + f]) for f in ("a", "b"))
    assert recipe_digest(here) == recipe_digest(there) != recipe_digest(recipe)
    assert recipe_digest(recipe_from_dict(same, ["trainer.rank=9"])) != recipe_digest(recipe)


def test_a_lock_changed_by_hand_is_checked_like_any_recipe(
    recipe: Recipe, curated: CuratedSet
) -> None:
    content = lock(recipe, curated, "b")
    content["lock"]["stepz"] = 3
    with pytest.raises(RecipeError, match=r"lock.stepz: unknown key"):
        recipe_from_dict(content)
