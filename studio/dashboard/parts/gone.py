"""Addresses outlive runs: what one names and is not here is told, rather than passed over."""

from __future__ import annotations

from collections.abc import Container, Sequence

import streamlit as st

from studio.dashboard.parts.plain import plain


def asked_for(key: str) -> list[str]:
    """What a widget was left at, else what the address names: one text on some pages, several on others."""
    was = st.session_state.get(key)
    if was is None:
        return st.query_params.get_all(key)
    return [was] if isinstance(was, str) else list(was)


def tell_of_gone(asked: Sequence[str], runs: Container[str]) -> None:
    """Say which of the asked-for runs there are not.

    Args:
        asked: names of runs, or of their states as `studio.workplace.adapters_found` calls them.
    """
    gone = [name for name in asked if name.partition(" step ")[0] not in runs]
    if gone:
        st.info(
            f"There is no run {plain(', '.join(gone))} here; below is what there is.",
            icon=":material/link_off:",
        )
