from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.forms.entry import LEFT_OUT, entered, fits, shown
from studio.forms.field import Field


def field(kind: Any, **more: Any) -> Field:
    return Field("a.b", "B", "", kind, **more)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1e-4"),
        (0.00025, "2.5e-4"),
        (3e-05, "3e-5"),
        (0.05, "0.05"),
        (0.0, "0"),
        (100.0, "100"),
        (-0.00001, "-1e-5"),
        (1e22, "1e22"),
        (7, "7"),
        (None, ""),
    ],
)
def test_numbers_read_as_people_write_them(value: Any, text: str) -> None:
    assert shown(field("number"), value) == text


@given(st.floats(allow_nan=False) | st.integers(-(2**63), 2**63))
def test_every_number_comes_back(value: float) -> None:
    assert entered(field("number"), shown(field("number"), value)) == value


@given(st.text())
def test_every_text_comes_back(value: str) -> None:
    for each in (field("text"), field("text", is_optional=True)):
        assert entered(each, shown(each, value)) == value


@given(st.lists(st.text()))
def test_every_list_of_texts_comes_back(value: list[str]) -> None:
    assert entered(field("texts"), shown(field("texts"), value)) == value


@pytest.mark.parametrize("value", [{"a": {"rank": 4}}, ["x"], "object", "no", 3, 1e-4, True])
def test_what_has_no_simpler_form_is_yaml(value: Any) -> None:
    assert entered(field("yaml"), shown(field("yaml"), value)) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", " 1e-4 ", 1e-4),
        ("number", "fast", "fast"),
        ("number", "0,001", 0.001),
        ("number", "-3,5", -3.5),
        ("number", "1,000", "1,000"),  # a thousand to some, one to others
        ("number", "1,5,2", "1,5,2"),
        ("whole number", "1.5", 1.5),
        ("whole number", "many", "many"),
        ("numbers", "0.9, 0.99", [0.9, 0.99]),
        ("numbers", "[1 2;", [1, "2;"]),
        ("numbers", "", []),
        ("texts", "a cat\n\n[dog] x\n", ["a cat", "[dog] x"]),
        ("yaml", "{a: b", "{a: b"),
        ("text", "", ""),
        ("number", "", LEFT_OUT),
        ("yaml", " ", LEFT_OUT),
    ],
)
def test_what_is_typed(kind: Any, text: str, value: Any) -> None:
    assert entered(field(kind), text) == value


def test_a_whole_number_is_kept_as_one_however_it_is_typed() -> None:
    assert repr(entered(field("whole number"), "1e9")) == "1000000000"
    assert repr(entered(field("whole number"), "20.0")) == "20"
    assert repr(entered(field("number"), "2e1")) == "20.0"


@pytest.mark.parametrize("kind", ["number", "whole number", "numbers", "texts", "text", "yaml"])
def test_empty_means_something_where_it_may(kind: Any) -> None:
    assert entered(field(kind, is_optional=True), "") is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("toggle", "maybe"),
        ("choice", "c"),
        ("number", [1]),
        ("texts", "not a list"),
        ("texts", [1]),
        ("text", {"a": 1}),
        ("text", 1),
        ("number", True),
        ("number", None),
        ("numbers", [[1]]),
    ],
)
def test_what_a_field_cannot_hold_is_known(kind: Any, value: Any) -> None:
    assert not fits(field(kind, choices=("a", "b")), value)
