"""The form: a few settings first, the rest folded, and a search over all of them."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.dashboard.views.recipe_draft import OpenDraft, key_for
from studio.dashboard.views.recipe_fields import field_widget, fields_in_rows, problems_below
from studio.dashboard.views.recipe_pictures import kept_of, offered_sets, set_of
from studio.forms.field import Field, Group
from studio.forms.schema import USUAL_BUDGETS, Form, label_of
from studio.forms.sheet import Problem, Sheet
from studio.forms.showings import showings

MOST_FOUND = 12
ELSEWHERE = "another folder"
NO_NUMBER = Problem("budget", "say how long: a number is missing")


def form(draft: OpenDraft, sheet: Sheet) -> None:
    """All of it, for a recipe whose method is known."""
    shape = sheet.form
    assert shape is not None
    _first(draft, sheet, shape)
    words = st.text_input(
        "Search all settings",
        key="find",
        bind="query-params",
        placeholder=f"one of {len(shape.fields)}, by its name or what it does",
        icon=":material/search:",
    )
    if words:
        _found(draft, sheet, shape.search(words))
        return
    for group in shape.folded:
        _folded(draft, sheet, group)


def _first(draft: OpenDraft, sheet: Sheet, shape: Form) -> None:
    fields = {field.path: field for field in shape.first}
    budgets = [fields.pop(path) for path in USUAL_BUDGETS]
    source, trigger = fields.pop("dataset.source"), fields.pop("dataset.trigger")
    left, right = st.columns(2)
    with left:
        _set(draft, sheet)
    with right:
        field_widget(draft, sheet, trigger, "first")
    field_widget(draft, sheet, source, "first", "Folder or archive of the pictures")
    _budget(draft, sheet, budgets)
    fields_in_rows(draft, sheet, list(fields.values()), "first")


def _set(draft: OpenDraft, sheet: Sheet) -> None:
    offered = offered_sets()
    options = [*offered, ELSEWHERE]
    now = set_of(sheet.content.get("dataset"), offered) or ELSEWHERE
    key = key_for(draft, "set", (now, options))

    def chosen() -> None:
        name = st.session_state[key]
        if name in offered:
            draft.change(lambda sheet: sheet.with_dataset(offered[name]))

    st.selectbox(
        "Trained on",
        options,
        options.index(now),
        key=key,
        on_change=chosen,
        help="A set of the page Sets, with what was decided there; or any folder, named below.",
    )


def _budget(draft: OpenDraft, sheet: Sheet, budgets: list[Field]) -> None:
    """Three ways to say how long; one counts."""
    by_label = {field.label: field for field in budgets}
    written = [field for field in budgets if sheet.is_written(field)] or budgets
    given = next((field for field in written if sheet.value(field) is not None), written[0])
    labels = list(by_label)
    key = key_for(draft, "budget", given.label)

    def chosen() -> None:
        field = by_label[st.session_state[key]]
        draft.change(lambda now: now.with_value(field, USUAL_BUDGETS[field.path]))

    left, right = st.columns(2)
    with left:
        st.selectbox("How long, by", labels, labels.index(given.label), key=key, on_change=chosen)
    with right:
        field_widget(draft, sheet, given, "first")
    is_empty = sheet.value(given) is None
    problems_below([NO_NUMBER] if is_empty else sheet.placed.get("budget", ()))
    if told := _showings(sheet):
        st.caption(told)


def _showings(sheet: Sheet) -> str:
    """What that means for the pictures, where a judged set says how many there are."""
    kept = kept_of(sheet.content.get("dataset"))
    return plain(showings(sheet.recipe, kept)) if sheet.recipe and kept else ""


def _found(draft: OpenDraft, sheet: Sheet, found: list[Field]) -> None:
    if not found:
        st.caption("No setting is about that. Fewer words find more.")
        return
    for field in found[:MOST_FOUND]:
        field_widget(draft, sheet, field, "found", ": ".join(map(label_of, field.keys)))
    if len(found) > MOST_FOUND:
        st.caption(f"And {len(found) - MOST_FOUND} more; add a word.")


def _folded(draft: OpenDraft, sheet: Sheet, group: Group) -> None:
    problems = sheet.placed.get(group.path, []) if group.path else []
    wrong = len(problems) + sum(len(sheet.placed.get(f.path, ())) for f in group.fields)
    changed = sum(sheet.is_written(field) for field in group.fields)
    told = [f":gray[{changed} set]"] * bool(changed) + [f":red[{wrong} to mend]"] * bool(wrong)
    fold = st.expander(
        "  ".join([group.title, *told]),
        key=f"{draft.name}/{group.path}",
        on_change="rerun",  # what is folded is not made: a hundred widgets would be
    )
    if fold.open:
        with fold:
            st.caption(plain(group.help))
            problems_below(problems)
            fields_in_rows(draft, sheet, group.fields, "folded")
