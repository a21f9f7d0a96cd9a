from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.recipe import yaml_text

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
contents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-3", -3),
        ("1e-4", 1e-4),
        ("1.", 1.0),
        ("+.5", 0.5),
        ("-.inf", -math.inf),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    assert yaml_text.parse(f"key: {written}\n", "x") == {"key": value}
    assert yaml_text.parse_scalar(written) == value
    assert type(yaml_text.parse_scalar(written)) is type(value)


def test_keys_are_always_text() -> None:
    assert yaml_text.parse("on: 1\n2: 2\nnull: 3\n", "x") == {"on": 1, "2": 2, "null": 3}


@given(text)
def test_a_scalar_is_a_number_a_truth_value_nothing_or_itself(written: str) -> None:
    value = yaml_text.parse_scalar(written)
    assert value is None or isinstance(value, bool | int | float) or value == written


@given(st.integers())
def test_whole_numbers_stay_whole(number: int) -> None:
    assert yaml_text.parse_scalar(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_every_bit(number: float) -> None:
    assert yaml_text.parse_scalar(repr(number)) == number


@given(contents)
def test_what_is_written_is_read_back(content: Any) -> None:
    assert yaml_text.parse(yaml_text.dump(content), "x") == content


def test_words_that_look_like_numbers_are_quoted() -> None:
    words = ["no", "1e5", "0o17", "010", "null", "1:30", "true", ".inf", ""]
    assert yaml_text.parse(yaml_text.dump(words), "x") == words


def test_a_number_of_thousands_of_digits_is_left_as_text() -> None:
    assert yaml_text.parse_scalar("9" * 5000) == "9" * 5000
