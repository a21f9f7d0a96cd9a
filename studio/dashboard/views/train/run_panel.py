"""One run: where it stands, what can be done with it, and how it goes."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.dashboard.views.train.charts import charts
from studio.dashboard.views.train.controls import controls
from studio.dashboard.views.train.figures import figures
from studio.dashboard.views.train.log import log_of
from studio.dashboard.views.train.timeline import timeline
from studio.queue import Job
from studio.run_folder import RunFolder

EVERY_SECONDS = 2.0
SELDOM_SECONDS = 5.0
"""For what changes seldom. Whoever watches a training on the processor takes from its pace."""


def run_panel(folder: RunFolder, job: Job | None) -> None:
    """Live while the run is, or is about to be; still otherwise."""
    state = folder.state
    is_awaited = job is not None and job.state in ("waiting", "running")
    if job is not None and job.error and state != "finished":
        tell(job.error)
    controls(folder, job, state)
    is_live = state == "running" or is_awaited
    seldom = SELDOM_SECONDS if is_live else None
    st.fragment(_progress, run_every=EVERY_SECONDS if is_live else None)(folder, state)
    st.fragment(timeline, run_every=seldom)(folder)
    with st.expander("What it said", icon=":material/notes:"):
        if job is None:
            st.caption("It was trained in a terminal, where its words are.")
        else:
            st.fragment(log_of, run_every=seldom)(job)
    with st.expander("Recipe", icon=":material/receipt_long:"):
        st.code(folder.recipe_path.read_text("utf-8"), language="yaml")


def _progress(folder: RunFolder, state: str) -> None:
    if folder.state != state:  # it ended, or began again: there are other buttons now
        st.rerun()
    known = here().watch.look(folder)
    figures(known, state)
    charts(known)
    for warning in known.warnings:
        st.warning(plain(warning), icon=":material/warning:")
