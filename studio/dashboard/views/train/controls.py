"""Stop, go on, and where to go with what came of it."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.told import told_errors
from studio.queue import Job
from studio.run_folder import RunFolder


def controls(folder: RunFolder, job: Job | None, state: str) -> None:
    """The buttons that make sense for a run in this state."""
    with told_errors(), st.container(horizontal=True):
        if state == "running":
            _stop(job)
        elif state == "interrupted":
            _resume(folder, job)
        else:
            _onwards(folder)


def _stop(job: Job | None) -> None:
    if job is None or job.state != "running":
        st.caption("It is trained by a process outside the queue; Ctrl-C there stops it.")
        return
    pressed = st.button(
        "Stopping…" if job.stop_wanted else "Stop",
        icon=":material/stop_circle:",
        disabled=job.stop_wanted,
        help="It writes a checkpoint first, and can go on later to the very same end.",
    )
    if pressed:
        here().queue.stop(job.id)
        st.rerun()


def _resume(folder: RunFolder, job: Job | None) -> None:
    if job is not None and job.state in ("waiting", "running"):
        st.caption(_under_way(job))
        return
    if st.button("Resume", type="primary", icon=":material/play_arrow:"):
        queue = here().queue
        if job is None:
            queue.add_run(folder.name)
        else:
            queue.resume(job.id)
        queue.start_worker()
        st.rerun()


def _under_way(job: Job) -> str:
    if job.state == "waiting":
        return "It is in the queue, and goes on from its newest checkpoint."
    return "Stopping…" if job.stop_wanted else "It begins again, from its newest checkpoint."


def _onwards(folder: RunFolder) -> None:
    from studio.dashboard.navigation import go

    if st.button("Preview", type="primary", icon=":material/imagesmode:"):
        go("preview", run=folder.name)
    if st.button("Export", icon=":material/output:"):
        go("export", run=folder.name)
    if st.button("New recipe from this", icon=":material/receipt_long:"):
        go("recipe", run=folder.name)
