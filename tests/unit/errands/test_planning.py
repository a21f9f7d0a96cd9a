"""The errand "plan", from a recipe's text to what a page shows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errands.planning import asked, plan
from studio.errors import StudioError
from studio.planning import Plan, Proposal, Stage
from studio.recipe import Recipe, recipe_from_dict
from studio.workplace.sample_sets import SETS, shipped


def content(**more: object) -> dict[str, object]:
    folder = shipped(SETS)
    assert folder is not None
    return {
        "name": "one",
        "dataset": {"source": str(folder / "mascot")},
        "trainer": {"kind": "lora"},
        "budget": {"steps": 5},
        "evaluation": {"enabled": False},
        **more,
    }


class Told(list[str]):
    def __call__(self, title: str, done: int, total: int) -> None:
        self.append(title)


def silent(title: str, done: int, total: int) -> None:
    pass


def test_what_means_the_same_is_the_same_errand(tmp_path: Path) -> None:
    first = recipe_from_dict(content())
    other_name = recipe_from_dict(content(name="two", optimizer={"learning_rate": 1e-4}))
    assert asked(first) == asked(other_name)
    assert asked(first) != asked(recipe_from_dict(content(seed=1)))
    assert asked(first) != asked(first, 8.0)


def test_more_pictures_are_another_errand(tmp_path: Path) -> None:
    recipe = recipe_from_dict(content(dataset={"source": str(tmp_path)}))
    before = asked(recipe)
    (tmp_path / "one.png").write_bytes(b"")
    os.utime(tmp_path, (1, 1))
    assert asked(recipe) != before


def test_a_run_that_fits_is_told_with_its_time(tmp_path: Path) -> None:
    found = plan(asked(recipe_from_dict(content())).arguments, tmp_path, silent)
    json.dumps(found)
    assert found["fits"]
    assert found["told"].startswith("It fits: ")
    assert "; about" in found["told"]
    assert found["rows"][0] == ["stage", "peak", "time"]
    assert found["note"] == ""


def test_what_is_too_much_brings_proposals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int | None] = []

    told = Told()

    def too_much(
        recipe: Recipe,
        identity: object,
        *,
        gpu_bytes: int | None,
        on_too_much: Callable[[Plan], None],
    ) -> Plan:
        given.append(gpu_bytes)
        stage = Stage("training step", 8 << 30, None)
        found = Plan((stage,), 1 << 30, 0, 4 << 30, "cuda", 5, None)
        on_too_much(found)
        return replace(found, proposals=(Proposal(("precision.base_dtype=nf4",), 3 << 30, True),))

    monkeypatch.setattr("studio.planning.make_plan", too_much)
    base_model = "stabilityai/stable-diffusion-xl-base-1.0"
    found = plan(
        asked(recipe_from_dict(content(base_model=base_model)), 4.0).arguments, tmp_path, told
    )
    assert given == [4 << 30]
    assert told[-1].startswith("It will not fit: 9.0 GiB of 4.0 GiB")
    assert found["told"] == "It will not fit: 9.0 GiB of 4.0 GiB, most in training step"
    assert found["proposals"][0]["changes"] == ["precision.base_dtype=nf4"]
    assert found["peaks"] == ["3.0 GiB"]
    assert "planned by its published configuration" in found["note"]


def test_a_base_that_is_not_here_is_told(tmp_path: Path) -> None:
    recipe = recipe_from_dict(content(base_model="nobody/nothing"))
    with pytest.raises(StudioError, match="nobody/nothing"):
        plan(asked(recipe).arguments, tmp_path, silent)
