"""Which set is shown, and the way to another one."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from studio.dashboard.parts.told import tell, told_errors
from studio.errors import StudioError
from studio.workplace.picture_sets import PictureSets

_SET, _LIST, _FAILED, _DONE = "set", "sets.list", "sets.failed", "sets.done"
_SHOWN_OF_A_SET = ("filter", "picture")


def chosen(sets: PictureSets) -> str | None:
    """The set of the address; None where there is none, and pictures are to be added."""
    names, asked = sets.names(), st.query_params.get(_SET)
    name = asked if asked in names else None
    if names:
        _list(names, name)
    if asked is not None and name is None:
        with told_errors():
            sets.get(asked)
    return name


def go_to(name: str | None) -> NoReturn:
    """Show a set, or none."""
    _ask_for(name)
    st.rerun()


def remember_failure(error: StudioError) -> None:
    """For callbacks, which run before there is a page to tell anything on."""
    st.session_state[_FAILED] = error


def remember_done(text: str) -> None:
    """As `remember_failure`, for what went well."""
    st.session_state[_DONE] = text


def show_what_happened() -> None:
    """In the callbacks before this run."""
    error = st.session_state.pop(_FAILED, None)
    if error is not None:
        tell(error)
    done = st.session_state.pop(_DONE, None)
    if done is not None:
        st.toast(done, icon=":material/check:")


def _list(names: list[str], name: str | None) -> None:
    # Not bound to the address: Streamlit lets nobody else write there then, not even the way to the
    # page Recipe, which is to show the same set.
    st.session_state[_LIST] = name
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.selectbox(
        "Set",
        names,
        index=None,
        placeholder="Choose a set",
        key=_LIST,
        on_change=lambda: _ask_for(st.session_state[_LIST]),
    )
    right.button(
        "Add pictures",
        icon=":material/add_photo_alternate:",
        on_click=_ask_for,
        args=(None,),
        disabled=name is None,
        width="stretch",
    )


def _ask_for(name: str | None) -> None:
    # Which part of one set was looked at says nothing of another.
    for shown in (*_SHOWN_OF_A_SET, _SET):
        st.query_params.pop(shown, None)
    if name is not None:
        st.query_params[_SET] = name
