"""An errand that a page cannot do without: asked for when it is first shown, and waited for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.errands import Errand

REFRESH_SECONDS = 0.7


def waited_for(errand: Errand, *, height_px: int) -> Mapping[str, Any] | None:
    """Its result; None while it is under way or where it failed, which is told.

    Args:
        height_px: of what is shown meanwhile, so that nothing jumps.
    """
    desk = here().desk
    standing = desk.ask(errand)
    if not standing.is_over:
        _under_way(errand, height_px)
        return None
    if standing.state == "done":
        return standing.result
    tell(standing.error)
    if st.button("Try again", key=f"again-{errand.key}", icon=":material/replay:"):
        desk.ask(errand, anew=True)
        st.rerun()
    return None


@st.fragment(run_every=REFRESH_SECONDS)
def _under_way(errand: Errand, height_px: int) -> None:
    standing = here().desk.standing(errand)
    if standing.is_over:
        st.rerun()
    with st.container(border=True, height=height_px, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/progress_activity:")
            st.markdown(plain((standing.title or "getting ready").capitalize() + " …"))
        if st.button("Cancel", key=f"cancel-{errand.key}", icon=":material/close:"):
            here().desk.cancel(errand)
            st.rerun()
