"""What a user reads when a recipe is wrong: exact sentences."""

from __future__ import annotations

from typing import Any

import pytest

from studio.errors import RecipeError
from studio.recipe import load_recipe, recipe_from_dict


def problems(recipe_file: Any, text: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_file.with_minimum(text), overrides)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer: {learning_rate: -1}", "optimizer.learning_rate: -1 is not greater than 0"),
        ("optimizer: {learning_rate: .nan}", "optimizer.learning_rate: nan is not a finite number"),
        ("optimizer: {weight_decay: .inf}", "optimizer.weight_decay: inf is not a finite number"),
        ("optimizer: {learning_rate: fast}", 'optimizer.learning_rate: "fast" is not a number'),
        ("optimizer: {betas: [0.9, 1]}", "optimizer.betas[1]: 1 is not less than 1"),
        ("optimizer: {betas: 0.9}", "optimizer.betas: 0.9 is not a list; write it as [..., ...]"),
        ("seed: 1.5", "seed: 1.5 is not a whole number"),
        ("seed: true", "seed: true is not a number"),
        ("seed:", "seed: an empty value is not a whole number"),
        ("sampling: {seeds: [1, b]}", 'sampling.seeds[1]: "b" is not a whole number'),
        ("base_model: 1.5", "base_model: 1.5 is not text; put it in quotes"),
        ("loss: 3", "loss: 3 is not a section; write its settings below it, one a line"),
        (
            "loss: {min_timestep: 500, max_timestep: 3}",
            "loss: min_timestep 500 is above max_timestep 3; no timestep is left to train on",
        ),
        (
            "precision: {mixed_precision: fp61}",
            'precision.mixed_precision: "fp61" is not one of "no", "fp16" or "bf16"; '
            'did you mean "fp16"?',
        ),
        (
            "precision: {deterministic: maybe}",
            'precision.deterministic: "maybe" is not true or false',
        ),
        (
            "budget: {steps: 1, minutes: 2}",
            "budget: give exactly one of steps, steps_per_image and minutes; given: steps, minutes",
        ),
        (
            "budget: {steps: 5}\noptimizer: {lr_warmup_steps: 6}",
            "optimizer.lr_warmup_steps: 6 is more than budget.steps, 5; lower it",
        ),
        (
            "export: {formats: [kohya, a1111]}",
            'export.formats[1]: "a1111" is no format of lora; there are: kohya, diffusers',
        ),
        ("version: 2", "version: 2 is newer than this studio reads (1); upgrade adapter-studio"),
        ("version: one", 'version: "one" was never a version; this studio writes 1'),
        ("version: 0", "version: 0 was never a version; this studio writes 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_path_and_the_value(
    recipe_file: Any, text: str, expected: str
) -> None:
    assert problems(recipe_file, text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimiser: {}", 'optimiser: unknown key; did you mean "optimizer"?'),
        ("learning_rate: 1", 'learning_rate: unknown key; did you mean "optimizer.learning_rate"?'),
        ("rank: 4", 'rank: unknown key; did you mean "trainer.rank"?'),
        (
            "budget: {epochs: 4, steps: 1}",
            "budget.epochs: unknown key; there are: steps, steps_per_image, minutes",
        ),
        ("qqq: 1", "qqq: unknown key; `studio recipe schema` lists all"),
    ],
)
def test_an_unknown_key_comes_with_the_nearest_known_one(
    recipe_file: Any, text: str, expected: str
) -> None:
    assert problems(recipe_file, text) == [expected]


def test_all_problems_are_told_at_once() -> None:
    content = {
        "name": "a/b",
        "dataset": {"resolutoin": 128, "resolution": 100},
        "trainer": {"kind": "lora", "rnk": 3, "rank": 0},
        "optimizer": {"learning_rate": -1},
    }
    with pytest.raises(RecipeError) as caught:
        recipe_from_dict(content)
    assert set(caught.value.problems) == {
        'dataset.resolutoin: unknown key; did you mean "resolution"?',
        "dataset.resolution: 100 is not a multiple of 8; nearest are 96 and 104",
        "dataset.source: missing; needed: folder with the pictures, an archive or table of "
        "them, or hf:owner/name",
        'name: "a/b" cannot name a folder; use up to 80 letters, digits, "-", "_" and ".", '
        "beginning and ending with a letter or digit",
        "optimizer.learning_rate: -1 is not greater than 0",
        "trainer.rank: 0 is less than 1",
        'trainer.rnk: unknown key; did you mean "rank"?',
    }


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ({}, "trainer.kind: missing; name one of the installed trainers: "),
        ({"rank": 3}, "trainer.kind: missing; name one of the installed trainers: "),
        (None, "trainer.kind: missing; name one of the installed trainers: "),
        ({"kind": "lorra"}, 'trainer.kind: no trainer "lorra" is installed; did you mean "lora"?'),
        ({"kind": "qqq"}, 'trainer.kind: no trainer "qqq" is installed; installed are: '),
        ("lora", 'trainer: "lora" is not a section; write its settings below it, one a line'),
    ],
)
def test_a_trainer_that_is_not_there_is_answered_with_those_that_are(
    trainer: Any, expected: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from_dict({"name": "x", "dataset": {"source": "p"}, "trainer": trainer})
    [problem] = caught.value.problems
    assert problem.startswith(expected)
    if expected.endswith(": "):
        assert "lora" in problem.removeprefix(expected)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-x", "x.", "a b", "a\nb", "nul", "COM1.txt", "x" * 81]
)
def test_names_that_cannot_be_folders_are_refused(name: str) -> None:
    content = {"name": name, "dataset": {"source": "p"}, "trainer": {"kind": "lora"}}
    with pytest.raises(RecipeError, match="cannot name a folder"):
        recipe_from_dict(content)


@pytest.mark.parametrize("name", ["x", "demo-2", "mein_Stil", "été", "v1.2", "x" * 80])
def test_names_that_can_be_folders_pass(name: str) -> None:
    content = {"name": name, "dataset": {"source": "p"}, "trainer": {"kind": "lora"}}
    assert recipe_from_dict(content).name == name


def test_a_long_value_is_cut(recipe_file: Any) -> None:
    [problem] = problems(recipe_file, f"seed: {'x' * 500}")
    assert len(problem) < 120
