"""The recipe as YAML, always what is kept; and what is different from an earlier run."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.recipe_draft import OpenDraft, key_for
from studio.forms.sheet import Sheet
from studio.recipe.difference import difference
from studio.run_folder import RunFolder

HEIGHT_PX = 520

# What is wrong is told by line and column, and columns are seen where letters are of one width.
_CSS = """
<style>
.st-key-recipe-as-yaml textarea { font-family: monospace; }
</style>
"""


def text(draft: OpenDraft, sheet: Sheet) -> None:
    """To read, or to edit by hand: what is typed becomes the form."""
    key = key_for(draft, "text", sheet.text)
    is_edited = st.toggle("Edit as YAML", key="yaml", bind="query-params") or sheet.form is None
    if not is_edited:
        st.code(sheet.text, "yaml", height=HEIGHT_PX, wrap_lines=True)
        return

    def typed() -> None:
        written = st.session_state[key]
        draft.change(lambda _: written)

    st.html(_CSS)
    with st.container(key="recipe-as-yaml"):
        st.text_area(
            "Recipe as YAML",
            sheet.text,
            key=key,
            height=HEIGHT_PX,
            on_change=typed,
            label_visibility="collapsed",
        )


def changes(sheet: Sheet) -> None:
    """Since a run."""
    runs = [run.name for run in here().watch.runs.all()]
    if not runs:
        st.caption("There is no run yet to compare with.")
        return
    since = st.selectbox("What changed since run", runs, key="since", bind="query-params")
    if sheet.recipe is None:
        st.caption("Known once nothing is left to mend.")
        return
    with told_errors():
        run = RunFolder.open(since, here().workplace.runs)
        rows = [change.row() for change in difference(run.intended_recipe(), sheet.recipe)]
        if not rows:
            st.caption("Nothing: they set the same.")
            return
        st.dataframe(
            [dict(zip(("setting", "before", "now"), row, strict=True)) for row in rows],
            hide_index=True,
        )
