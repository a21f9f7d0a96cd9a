"""The numbers of the moment, each in a place that does not move."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.planning.plan import gib
from studio.watching.follower import VALIDATION, Followed

NAMES = {
    "Steps": None,
    "Loss": "How wrong the model is about the pictures it learns from; noisy, so look at its trend.",
    "Held-out loss": "The same on pictures of your set that are kept out of training. Where it rises while "
    "the loss falls, they are being learned by heart.",
    "Images a second": None,
    "Time left": None,
    "Memory": None,
}
"""The figures, and what is not said by their names."""


def figures(known: Followed, state: str) -> None:
    """Progress, then six figures; a dash where there is none yet."""
    if state == "finished":
        st.info(_verdict(known), icon=":material/task_alt:")
    else:
        share = known.step / known.total_steps if known.total_steps else 0.0
        st.progress(min(1.0, share), text=_in_words(known, state))
    places = st.columns(len(NAMES))
    for place, name, value in zip(places, NAMES, _values(known, state), strict=True):
        place.metric(name, value, help=NAMES[name])


def _verdict(known: Followed) -> str:
    return (
        plain(known.verdict) if known.verdict else "Finished; how well it works was not measured."
    )


def _in_words(known: Followed, state: str) -> str:
    if state == "interrupted":
        return f"Stopped after step {known.step}; it goes on from its newest checkpoint"
    if known.stage:
        return known.stage.capitalize()
    return f"Training, step {known.step} of {known.total_steps}" if known.step else "Beginning"


def _values(known: Followed, state: str) -> tuple[str, ...]:
    loss = known.curves["loss"].smoothed()
    held_out = known.curves[VALIDATION].points()
    pace = known.curves["images_per_second"].points()
    memory = known.curves["peak_memory_bytes"].points()
    left = timedelta(seconds=round(known.eta_seconds))
    return (
        f"{known.step} / {known.total_steps}" if known.total_steps else "–",
        f"{loss[-1].value:.3f}" if loss else "–",
        f"{held_out[-1].value:.3f}" if held_out else "–",
        f"{pace[-1].value:.1f}" if pace else "–",
        str(left) if state == "running" and known.step and not known.stage else "–",
        gib(max(point.value for point in memory)) if memory else "–",
    )
