"""The page itself: newcomers see the way and a first step, others what they left."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.views.start.left_off import left_off
from studio.dashboard.views.start.samples import begin_with_a_sample

STEPS = (
    (":material/photo_library:", "Sets", "Pictures come in. Is the set clean, large, of one material?"),
    (":material/receipt_long:", "Recipe", "What to teach and how long; what it takes is told before."),
    (":material/model_training:", "Train", "In the background; stop and go on whenever you like."),
    (":material/imagesmode:", "Preview", "The finished file on a clean base model, beside the bare one."),
    (":material/output:", "Export", "For ComfyUI, A1111, Forge, diffusers: proven to work there."),
)  # fmt: skip


def page() -> None:
    st.title("Teach Stable Diffusion something new")
    st.markdown(
        "A folder of pictures goes in; a small adapter file that other tools load comes out, "
        "and you know why it is good."
    )
    runs = here().watch.runs.all()
    if runs:
        left_off(runs)
    _the_way()
    begin_with_a_sample()


def _the_way() -> None:
    for number, (place, (icon, name, what)) in enumerate(
        zip(st.columns(len(STEPS)), STEPS, strict=True), start=1
    ):
        with place.container(border=True, height="stretch"):
            st.markdown(f"**{number} · {icon} {name}**")
            st.caption(what)
