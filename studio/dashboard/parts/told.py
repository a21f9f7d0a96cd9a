"""Errors and empty places, told so that one knows what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.errors import RecipeError, StudioError


@contextmanager
def told_errors() -> Iterator[None]:
    """Whatever the studio refuses within is told in its place, and the rest of the page goes on."""
    try:
        yield
    except StudioError as error:
        tell(error)


def tell(error: StudioError | str) -> None:
    """One box for each thing that is wrong."""
    problems = error.problems if isinstance(error, RecipeError) else str(error).splitlines()
    for problem in problems or ("",):
        st.error(plain(problem), icon=":material/error:")


def nothing_yet(title: str, text: str, icon: str = ":material/inbox:") -> None:
    """An empty place, with what will be there and how it gets there."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(icon, text_alignment="center")
        st.markdown(f"### {title}", text_alignment="center")
        st.markdown(text, text_alignment="center")
