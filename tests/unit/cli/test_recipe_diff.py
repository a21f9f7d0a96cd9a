from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.recipe import load_recipe
from studio.run_folder import RunFolder

Studio = Callable[..., Any]


@pytest.fixture
def run(recipe: Path, tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "runs", "earlier")
    folder.write_recipe(load_recipe(recipe, ["seed=7"]))
    folder.write_lock({**load_recipe(recipe).model_dump(mode="json"), "seed": 7})
    return folder


def test_two_files_that_mean_the_same(studio: Studio, recipe: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("# another text\n" + recipe.read_text() + "optimizer: {learning_rate: 1e-4}\n")
    outcome = studio("recipe", "diff", "demo.yaml", "other.yaml")
    assert outcome.code == 0
    assert outcome.out == "demo.yaml and other.yaml set the same\n"


def test_what_changed_since_a_run(studio: Studio, recipe: Path, run: RunFolder) -> None:
    outcome = studio("recipe", "diff", "earlier", "demo.yaml")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == ["SETTING  BEFORE  AFTER", "seed     7       0"]
    as_json = studio("recipe", "diff", run.path, "demo.yaml", "--json")
    assert json.loads(as_json.out) == [{"path": "seed", "before": 7, "after": 0}]


def test_what_is_not_there_is_told(studio: Studio, recipe: Path) -> None:
    outcome = studio("recipe", "diff", "demo.yaml", "nothing.yaml")
    assert outcome.code == 2
    assert "there is no such recipe" in outcome.err
    outcome = studio("recipe", "diff", "demo.yaml", "nothing")
    assert outcome.code == 2
    assert 'there is no run "nothing"' in outcome.err
