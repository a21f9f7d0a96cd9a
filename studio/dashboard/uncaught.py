"""A fault of ours on a page: told in words, its traceback in the log of the server."""

from __future__ import annotations

import logging

import streamlit as st

from studio.dashboard.parts.plain import plain

log = logging.getLogger(__name__)


def told(error: Exception) -> bool:
    """Show it in place of Streamlit's own traceback."""
    log.error("a page failed", exc_info=error)
    st.error(
        f"A fault of ours: {plain(type(error).__name__)}: {plain(error)}. Nothing is lost: what "
        "trains goes on, and files are written whole. Reload the page; the terminal shows where.",
        icon=":material/bug_report:",
    )
    return True
