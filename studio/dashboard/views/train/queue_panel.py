"""The queue: what runs, what waits in which order, what has failed, and the worker."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.dashboard.components.job_order import job_order
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.queue import Job

EVERY_SECONDS = 2.0


@st.fragment(run_every=EVERY_SECONDS)
def queue_panel() -> None:
    """Looks by itself; the rest of the page is drawn anew when something began or ended."""
    with told_errors():
        jobs = here().queue.jobs()
        _redraw_when_changed(jobs)
        st.subheader("Queue")
        _running([job for job in jobs if job.state == "running"])
        _waiting([job for job in jobs if job.state == "waiting"])
        _worker(jobs)


def _redraw_when_changed(jobs: Sequence[Job]) -> None:
    seen = [(job.id, job.state, job.run, job.place) for job in jobs]
    before = st.session_state.setdefault("queue-seen", seen)
    st.session_state["queue-seen"] = seen
    if seen != before:
        st.rerun()


def _running(jobs: Sequence[Job]) -> None:
    for job in jobs:
        stopping = ", stopping" if job.stop_wanted else ""
        name = plain(job.run or job.name)
        st.markdown(f":primary[:material/autorenew:] **{name}** trains{stopping}")


def _waiting(jobs: Sequence[Job]) -> None:
    if not jobs:
        st.caption("Nothing waits. What you put in the queue trains one after another.")
        return
    st.caption("Drag what waits, or move it with the arrow keys.")
    moved = job_order(jobs, key="job-order")
    if moved is not None:
        here().queue.move(moved.job, moved.place)
        st.rerun(scope="fragment")
    name = {job.id: f"{job.name} (job {job.id})" for job in jobs}
    with st.popover("Take out of the line", icon=":material/playlist_remove:"):
        chosen = st.selectbox("Job", list(name), format_func=name.__getitem__, key="to-cancel")
        if st.button("Take it out", type="primary") and chosen is not None:
            here().queue.cancel(chosen)
            st.rerun(scope="fragment")


def _worker(jobs: Sequence[Job]) -> None:
    queue = here().queue
    unfinished = any(job.state in ("waiting", "running") for job in jobs)
    if not unfinished:
        return
    if queue.worker_pid() is not None:
        st.caption("It goes on, whether this page is open or not.")
        if st.button(
            "Pause after this run",
            icon=":material/pause:",
            help="What trains goes on to its end; nothing new begins.",
        ):
            queue.stop_worker()
            st.rerun(scope="fragment")
    else:
        st.warning("The worker is not running: nothing new begins.", icon=":material/pause_circle:")
        if st.button("Start the worker", type="primary", icon=":material/play_arrow:"):
            queue.start_worker()
            st.rerun(scope="fragment")
