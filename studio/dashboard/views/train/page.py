"""The page itself: one run on the left, the queue on the right."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.gone import tell_of_gone
from studio.dashboard.parts.told import nothing_yet
from studio.dashboard.views.train.choosing import Choice, choices
from studio.dashboard.views.train.job_panel import job_panel
from studio.dashboard.views.train.queue_panel import queue_panel
from studio.dashboard.views.train.run_panel import run_panel
from studio.run_folder import RunFolder

_LIST = "train.run"


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
    wanted = _wanted(found)
    if wanted is None:
        tell_of_gone([st.query_params.get("run", "")], by_key)
        wanted = found[0]

    def choose() -> None:
        if (key := st.session_state[_LIST]) in by_key:  # else it went meanwhile
            st.query_params.from_dict({"run": key})

    st.session_state[_LIST] = wanted.key
    st.query_params.from_dict({"run": wanted.key})
    st.selectbox(
        "Run",
        list(by_key),
        format_func=lambda key: by_key[key].label,
        key=_LIST,
        on_change=choose,
    )
    return wanted


def _wanted(found: list[Choice]) -> Choice | None:
    """None where the address names what is not there."""
    job, run = st.query_params.get("job"), st.query_params.get("run")
    for choice in found:
        # A job that waited has a run by now, under the run's name.
        if run in (choice.key, *choice.former_keys) or (choice.job and str(choice.job.id) == job):
            return choice
    return None if run else found[0]


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
