"""The newest runs, with the next thing to do with each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.run_folder import RunFolder, RunSummary

SHOWN = 3
NEXT = {
    "running": ("Watch", "train", ":material/monitoring:"),
    "interrupted": ("Go on", "train", ":material/play_arrow:"),
    "finished": ("Preview", "preview", ":material/imagesmode:"),
}
"""By a run's state: the button, its page, its icon."""


def left_off(runs: Sequence[RunSummary]) -> None:
    """A card for each of the newest."""
    st.subheader("Where you left off")
    for place, run in zip(st.columns(SHOWN), runs[:SHOWN], strict=False):
        with place.container(border=True, height="stretch"):
            _card(run)


def _card(run: RunSummary) -> None:
    from studio.dashboard.navigation import go

    st.markdown(f"**{plain(run.name)}**")
    begun = datetime.fromtimestamp(run.created).strftime("%d %b, %H:%M")
    steps = f", {run.steps_done} of {run.steps_total} steps" if run.steps_done else ""
    st.caption(plain(f"{run.kind} on {run.base_model}, {run.state}{steps}; begun {begun}"))
    preview = RunFolder(run.path).preview_path
    if preview.is_file():
        st.image(preview, alt=f"What {run.name} draws, beside its base model")
    title, page, icon = NEXT[run.state]
    if st.button(title, key=f"next-{run.name}", icon=icon):
        go(page, run=run.name)
