"""Former drawings, each with its settings."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.drawn import SHOWN
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.preview import adapters_panel, sampling_panel, ways
from studio.workplace.drawings import Drawing, delete, drawings, recipe_section

EACH_PAGE, COLUMNS = 12, 4


def history() -> None:
    """The newest first, so many to a page."""
    st.subheader("Drawn before")
    former = drawings(here().workplace.errands)
    if not former:
        st.caption("Every drawing stays here with its settings until you delete it.")
        return
    pages = -(-len(former) // EACH_PAGE)
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="history", bind="query-params")
    shown = former[(page - 1) * EACH_PAGE : page * EACH_PAGE]
    for begin in range(0, len(shown), COLUMNS):
        places = st.columns(COLUMNS)
        for place, one in zip(places, shown[begin : begin + COLUMNS], strict=False):
            with place, st.container(border=True), told_errors():
                _card(one)


def _card(one: Drawing) -> None:
    last = one.pictures[-1]
    st.image(str(last.path), width="stretch", alt=last.alt)
    st.caption(f"{plain(_title(one))}  \n{plain(_when(one))} · {len(one.pictures)} pictures")
    with st.container(horizontal=True):
        if st.button("Show", key=f"show-{one.key}", type="tertiary"):
            st.query_params[SHOWN] = one.key
            st.rerun()
        if st.button("Settings", key=f"settings-{one.key}", type="tertiary"):
            _settings(one)


@st.dialog("Settings")
def _settings(one: Drawing) -> None:
    for applied in one.order.adapters:
        st.caption(f"{plain(applied.name)} at strength {applied.strength:g}")
    st.caption(f"On {plain(one.order.base_model)}. As a recipe:")
    st.code(recipe_section(one.order), language="yaml")
    if st.button(
        "Use these settings again",
        key=f"again-{one.key}",
        icon=":material/replay:",
        on_click=_use_again,
        args=(one,),
    ):
        st.rerun()
    if st.button(
        "Delete",
        key=f"delete-{one.key}",
        icon=":material/delete:",
        on_click=_delete,
        args=(one,),
    ):
        st.rerun()


def _delete(one: Drawing) -> None:
    """A callback; another tab may have been quicker."""
    with told_errors():
        delete(here().workplace.errands, one.key)


def _title(one: Drawing) -> str:
    order = one.order
    if order.is_of_checkpoints:
        return f"{len(order.adapters)} states · {order.rows} by {order.columns}"
    between = " + " if order.together or order.mode != "pairs" else " beside "
    names = between.join(applied.name for applied in order.adapters) or order.base_model
    way = {"pairs": "", "sweep": " · sweep", "grid": f" · {order.rows} by {order.columns}"}
    return names + way[order.mode]


def _when(one: Drawing) -> str:
    return datetime.fromtimestamp(one.drawn_at).astimezone().strftime("%d %b %H:%M")


def _use_again(one: Drawing) -> None:
    """A callback: every widget of the page is set to what the drawing was made with."""
    order, state = one.order, st.session_state
    sampling = order.sampling
    state[sampling_panel.PROMPTS] = "\n".join(sampling.prompts)
    state[sampling_panel.NEGATIVE] = sampling.negative_prompt
    state[sampling_panel.SEED] = sampling.seeds[0]
    state[sampling_panel.KEPT] = True
    state[sampling_panel.VARIANTS] = len(sampling.seeds)
    state[sampling_panel.SCHEDULER] = sampling.scheduler
    state[sampling_panel.STEPS] = sampling.num_inference_steps
    state[sampling_panel.GUIDANCE] = sampling.guidance_scale
    state[adapters_panel.TOGETHER] = order.together
    state[ways.ROWS], state[ways.COLUMNS] = order.rows, order.columns
    if order.strengths:
        state[ways.STRENGTHS] = ", ".join(f"{strength:g}" for strength in order.strengths)
    adapters_panel.choose_again(order.adapters)
    st.query_params[SHOWN] = one.key
