"""The model card: what goes beside the file when it is given to others."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.parts.waited_for import waited_for
from studio.errands.export_order import ExportOrder

CARD = "card"
HEIGHT_PX = 420


def card_panel(order: ExportOrder) -> None:
    """Written when it is asked for."""
    is_open = st.toggle(
        "Show the model card",
        key=CARD,
        bind="query-params",
        help="A README.md that says what the adapter does, how well, and how to use it.",
    )
    if not is_open:
        return
    result = waited_for(order.errand(), height_px=HEIGHT_PX)
    if result is None:
        return
    text: str = result["card"]
    st.download_button(
        "Download README.md", text, "README.md", "text/markdown", icon=":material/download:"
    )
    st.code(text, language="markdown", height=HEIGHT_PX, wrap_lines=True)
