"""Fields of a form as widgets. What they show is the draft; what is typed goes straight into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.dashboard.views.recipe_draft import OpenDraft, key_for
from studio.forms.entry import entered, fits, shown
from studio.forms.field import Field
from studio.forms.sheet import Problem, Sheet

WIDE = ("texts", "yaml", "path")
LINE_PX, BOX_PX = 28, 40
MOST_LINES = 8


def fields_in_rows(draft: OpenDraft, sheet: Sheet, fields: Sequence[Field], place: str) -> None:
    """Two in a row, what is wide in one of its own.

    Args:
        place: tells apart the places of a page where the same field may stand.
    """
    narrow = [field for field in fields if field.kind not in WIDE]
    for first in range(0, len(narrow), 2):
        for column, field in zip(st.columns(2), narrow[first : first + 2], strict=False):
            with column:
                field_widget(draft, sheet, field, place)
    for field in fields:
        if field.kind in WIDE:
            field_widget(draft, sheet, field, place)


def field_widget(
    draft: OpenDraft, sheet: Sheet, field: Field, place: str, label: str | None = None
) -> None:
    """One setting, and below it what is wrong with it."""
    value = sheet.value(field)
    if not fits(field, value):  # written by hand, of another kind: shown as it is
        field = replace(field, kind="yaml")
    _widget(draft, field, shown(field, value), place, label or field.label)
    problems_below(sheet.placed.get(field.path, ()))


def problems_below(problems: Sequence[Problem]) -> None:
    for problem in problems:
        st.caption(f":red[:material/error: {plain(problem.text)}]")


def _widget(draft: OpenDraft, field: Field, value: Any, place: str, label: str) -> None:
    told = f"{field.help}\n\nIt is {field.bounds}." if field.bounds else field.help
    key = key_for(draft, f"{place}/{field.path}", (field.kind, value))
    common: dict[str, Any] = {
        "key": key,
        "help": f"{told}\n\n`{field.path}`",
        "on_change": _typed,
        "args": (draft, field, key),
    }
    if field.kind == "toggle":
        st.toggle(label, value, **common)
    elif field.kind == "choice":
        options = [*([None] if field.is_optional else []), *field.choices]
        st.selectbox(label, options, options.index(value), format_func=_choice, **common)
    elif field.kind in ("texts", "yaml"):
        height = BOX_PX + LINE_PX * min(value.count("\n") + 1, MOST_LINES)
        st.text_area(label, value, height=height, placeholder=_empty(field), **common)
    else:
        st.text_input(label, value, placeholder=_empty(field), **common)


def _typed(draft: OpenDraft, field: Field, key: str) -> None:
    value = entered(field, st.session_state[key])
    draft.change(lambda sheet: sheet.with_value(field, value))


def _choice(value: Any) -> str:
    return {None: "as it comes", True: "yes", False: "no"}.get(value) or str(value)


def _empty(field: Field) -> str:
    """What an emptied field says of itself."""
    if field.kind == "texts":
        return "a line for each"
    if field.is_optional or field.kind in ("path", "text"):
        return "empty"
    return str(shown(field, field.default))
