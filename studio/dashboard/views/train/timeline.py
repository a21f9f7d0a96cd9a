"""The run's own pictures, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.run_folder import RunFolder
from studio.watching.samples import Drawn, samples

COLUMNS = 4
PICTURE_PX = 220


def timeline(folder: RunFolder) -> None:
    """A slider over the steps that were drawn, and the preview of the finished adapter below."""
    st.subheader("Pictures")
    drawn = samples(folder)
    if drawn:
        _of_step(_chosen(drawn, key=f"drawn-{folder.name}"))
    if folder.preview_path.is_file():
        st.caption("The base model beside the exported adapter, same prompts and noise.")
        st.image(folder.preview_path, alt=f"Preview of {folder.name}, base beside adapter")
    elif not drawn:
        st.caption(
            "They appear when the adapter is exported; while it trains too, where the recipe says so: "
            "Sampling, Every steps."
        )


def _chosen(drawn: Sequence[Drawn], key: str) -> Drawn:
    """The newest, until somebody looks at an earlier one."""
    steps = [of_step.step for of_step in drawn]
    newest = st.session_state.setdefault(f"{key}-newest", steps[-1])
    if st.session_state.get(key, newest) in (newest, *{newest} - set(steps)):
        st.session_state[key] = steps[-1]
    st.session_state[f"{key}-newest"] = steps[-1]
    if len(steps) == 1:
        return drawn[0]
    step = st.select_slider("After step", steps, key=key)
    return drawn[steps.index(step)]


def _of_step(drawn: Drawn) -> None:
    for begin in range(0, len(drawn.pictures), COLUMNS):
        row = drawn.pictures[begin : begin + COLUMNS]
        for place, (number, picture) in zip(
            st.columns(COLUMNS), enumerate(row, start=begin + 1), strict=False
        ):
            place.image(picture, width=PICTURE_PX, alt=f"Sample {number} after step {drawn.step}")
