"""The page itself: one run on the left, the queue on the right."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.told import nothing_yet
from studio.dashboard.views.train.choosing import Choice, choices
from studio.dashboard.views.train.job_panel import job_panel
from studio.dashboard.views.train.queue_panel import queue_panel
from studio.dashboard.views.train.run_panel import run_panel
from studio.run_folder import RunFolder


def page() -> None:
    st.title("Train")
    left, right = st.columns([7, 3], gap="large")
    with left:
        found = choices(here().queue.jobs(), here().watch.runs.all())
        if found:
            _show(_chosen(found))
        else:
            _nothing()
    with right:
        queue_panel()


def _chosen(found: list[Choice]) -> Choice:
    """What the address names, else the newest."""
    by_key = {choice.key: choice for choice in found}
    if (job := st.query_params.pop("job", None)) is not None:
        wanted = next((c.key for c in found if c.job and str(c.job.id) == job), found[0].key)
        st.session_state["run"] = wanted
    elif (was := st.session_state.get("run")) not in by_key:
        # A job that waited has a run by now, under the run's name.
        st.session_state["run"] = next((c.key for c in found if was in c.former_keys), found[0].key)
    key = st.selectbox(
        "Run",
        list(by_key),
        format_func=lambda key: by_key[key].label,
        key="run",
        bind="query-params",
    )
    return by_key[key or found[0].key]


def _show(choice: Choice) -> None:
    if choice.run is None:
        assert choice.job is not None
        job_panel(choice.job)
    else:
        run_panel(RunFolder(choice.run.path), choice.job)


def _nothing() -> None:
    nothing_yet(
        "Nothing was trained yet",
        "A run appears here as soon as a recipe is put in the queue. Begin with a set of pictures.",
        ":material/model_training:",
    )
    if st.button("Choose pictures", type="primary", icon=":material/photo_library:"):
        from studio.dashboard.navigation import go

        go("sets")
