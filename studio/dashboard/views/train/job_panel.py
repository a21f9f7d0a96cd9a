"""A job that has no run folder yet: it waits, looks at its pictures, or was refused."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.dashboard.views.train.log import log_of
from studio.queue import Job

EVERY_SECONDS = 1.0


def job_panel(job: Job) -> None:
    """The queue's panel draws the page anew when the job gets a run or ends."""
    if job.state == "waiting":
        st.info(f"Number {job.place} in the queue.", icon=":material/hourglass_top:")
    elif job.state == "running":
        st.info("Looks at the pictures and prepares the run.", icon=":material/autorenew:")
    else:
        tell(job.error or f"the job is {job.state}")
        _again(job)
    with st.expander("Recipe"):
        st.code(job.recipe, language="yaml")
    if job.started is not None:
        st.fragment(log_of, run_every=EVERY_SECONDS if job.state == "running" else None)(job)


def _again(job: Job) -> None:
    if st.button(
        "Try again",
        type="primary",
        icon=":material/replay:",
        help=f"Queues {plain(job.name)} anew.",
    ):
        here().queue.resume(job.id)
        here().queue.start_worker()
        st.rerun()
