"""The jobs that wait, in an order that can be dragged, or moved by keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from studio.queue import Job

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Moved:
    """A job that was given another place, from 1."""

    job: int
    place: int


_show = st.components.v2.component(
    "job_order",
    html='<ol aria-label="Jobs that wait, in their order"></ol><p role="status"></p>',
    css=(_HERE / "job_order.css").read_text("utf-8"),
    js=(_HERE / "job_order.js").read_text("utf-8"),
)


def job_order(jobs: Sequence[Job], *, key: str) -> Moved | None:
    """Show the jobs in the order given; what was moved since the last run of the page, once."""
    rows = [{"id": job.id, "name": job.name} for job in jobs]
    result = _show(data={"jobs": rows}, key=key, on_moved_change=lambda: None)
    return Moved(**result.moved) if result.moved else None
