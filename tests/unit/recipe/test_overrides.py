from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import RecipeError
from studio.recipe.overrides import apply_overrides


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=3", ["seed"], 3),
        ("optimizer.learning_rate=1e-4", ["optimizer", "learning_rate"], 1e-4),
        ("dataset.trigger=a: b #c", ["dataset", "trigger"], "a: b #c"),
        ("dataset.trigger=no", ["dataset", "trigger"], "no"),
        ('dataset.trigger="12"', ["dataset", "trigger"], "12"),
        ("dataset.resolution=", ["dataset", "resolution"], None),
        ("a=b=c", ["a"], "b=c"),
        (' a.b = "é, \\"x\\"" ', ["a", "b"], 'é, "x"'),
        ('sampling.prompts=[a cat, "b, c"]', ["sampling", "prompts"], ["a cat", "b, c"]),
        ("budget={minutes: 2}", ["budget"], {"minutes": 2}),
    ],
)
def test_a_value_is_put_in_its_place(override: str, path: list[str], value: Any) -> None:
    found: Any = apply_overrides({}, [override])
    for key in path:
        found = found[key]
    assert found == value


@given(st.text("abc: #,=-&*!|>%@`", max_size=12).map(str.strip))
def test_text_needs_no_quotes(text: str) -> None:
    assert apply_overrides({}, [f"a={text}"]) == {"a": text or None}


def test_later_overrides_win_and_the_rest_stays() -> None:
    content = {"a": {"b": 1, "c": 2}}
    assert apply_overrides(content, ["a.b=3", "a.b=4"]) == {"a": {"b": 4, "c": 2}}
    assert content == {"a": {"b": 1, "c": 2}}


def test_a_section_left_empty_is_filled() -> None:
    assert apply_overrides({"a": None}, ["a.b=1"]) == {"a": {"b": 1}}


def test_one_budget_takes_away_the_others() -> None:
    content = {"budget": {"steps_per_image": 100}}
    assert apply_overrides(content, ["budget.steps=10"]) == {"budget": {"steps": 10}}


def test_all_bad_overrides_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        apply_overrides({"name": "x"}, ["seed", "a.=1", "=1", "name.x=3", "a=[1"])
    assert caught.value.problems[:4] == (
        '--set seed: write it as "path=value", such as "seed=1"',
        '--set a.=1: write it as "path=value", such as "seed=1"',
        '--set =1: write it as "path=value", such as "seed=1"',
        "--set name.x: name is no section",
    )
    assert caught.value.problems[4].startswith("--set a=[1, line 1, column 3: ")


@pytest.mark.parametrize(
    ("override", "kept"),
    [
        ("name=y", True),
        ("dataset.source=elsewhere", True),
        ("dataset.trigger=cat", False),
        ("base_model=other", False),
        ("optimizer.learning_rate=1", False),
    ],
)
def test_a_lock_binds_only_what_it_locked(override: str, kept: bool) -> None:
    assert ("lock" in apply_overrides({"lock": {}}, [override])) is kept
