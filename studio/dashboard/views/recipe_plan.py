"""What the run will take: asked for as soon as the recipe is right, shown when it is known."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.dashboard.views.recipe_draft import OpenDraft
from studio.errands import Errand, Standing
from studio.errands.planning import asked
from studio.recipe import Recipe

HERE = "this machine"
GPUS_GB = (4, 6, 8, 12, 16, 24)
HEIGHT_PX = 96
EVERY_SECONDS = 0.7
RESTART_SECONDS = 15.0
"""What it takes to begin a process that plans, roughly."""

CANCELLED = "cancelled"


def plan(draft: OpenDraft, recipe: Recipe | None) -> None:
    """Time and memory, for here or for a GPU elsewhere."""
    place = st.selectbox(
        "Time and memory on",
        [HERE, *(f"a GPU of {size} GB" for size in GPUS_GB)],
        key="on",
        bind="query-params",
        help="Nothing is loaded for it: the run is rehearsed on tensors without memory.",
    )
    if recipe is None:
        st.caption("Known once nothing is left to mend.")
        st.space(HEIGHT_PX - 40)
        return
    errand = asked(recipe, None if place == HERE else float(place.split()[-2]))
    standing = _ask(draft, errand)
    if not standing.is_over:
        st.fragment(_waiting, run_every=EVERY_SECONDS)(errand)
    elif standing.state == "failed":
        tell(standing.error)
        if st.button("Predict again", icon=":material/refresh:"):
            here().desk.ask(errand, anew=True)
            st.rerun()
    else:
        _told(draft, standing.result)


def _ask(draft: OpenDraft, errand: Errand) -> Standing:
    """Ask, and take back what was asked for an earlier state of this draft.

    Unless that is being done and was begun just now: its process would have to be started anew.
    """
    desk, key = here().desk, f"{draft.name}/planned"
    before, since = st.session_state.get(key, (errand, monotonic()))
    if before != errand:
        if monotonic() - since > RESTART_SECONDS or before in desk.under_way(errand.kind)[1:]:
            desk.cancel(before)
        since = monotonic()
    st.session_state[key] = (errand, since)
    standing = desk.ask(errand)
    return desk.ask(errand, anew=True) if standing.error == CANCELLED else standing


def _waiting(errand: Errand) -> None:
    standing = here().desk.standing(errand)
    if standing.is_over:
        st.rerun()
    st.skeleton(HEIGHT_PX)
    doing = standing.title or "estimating time and memory"
    st.caption(plain(f"{doing[0].upper()}{doing[1:]} …"))


def _told(draft: OpenDraft, found: Mapping[str, Any]) -> None:
    if found["fits"]:
        st.success(plain(found["told"]), icon=":material/check:")
    else:
        st.warning(plain(found["told"]), icon=":material/memory:")
    if found["note"]:
        st.caption(plain(found["note"]))
    for proposal, peak in zip(found["proposals"], found["peaks"], strict=True):
        _proposal(draft, proposal, peak)
    if not (found["fits"] or any(proposal["fits"] for proposal in found["proposals"])):
        st.caption(
            "Nothing that was tried is enough: it needs more memory, or a smaller base model."
        )
    with st.expander("Stage by stage"):
        heading, *rows = found["rows"]
        st.table([dict(zip(heading, row, strict=True)) for row in rows], hide_index=True)


def _proposal(draft: OpenDraft, proposal: Mapping[str, Any], peak: str) -> None:
    changes = proposal["changes"]
    st.button(
        f"{plain(', '.join(changes))}: {plain(peak)}",
        key=f"{draft.name}/propose/{changes}",
        help="Change the recipe so. It was tried: "
        + ("it fits." if proposal["fits"] else "too much."),
        icon=":material/check:" if proposal["fits"] else ":material/remove:",
        on_click=draft.change,
        args=(lambda sheet: sheet.with_changes(changes),),
    )
