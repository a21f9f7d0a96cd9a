"""What a trainer said, its last lines first in sight."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.queue import Job

LINES = 200
HEIGHT_PX = 260


def log_of(job: Job) -> None:
    """The end of the job's log in a box of fixed height."""
    lines = here().queue.log(job.id).splitlines()[-LINES:]
    st.code(
        "\n".join(lines) or "nothing said yet", language=None, height=HEIGHT_PX, wrap_lines=True
    )
