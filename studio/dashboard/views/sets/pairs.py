"""Copies as pairs: this one, the other, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from studio.curation.manifest import Picture
from studio.curation.summary import printable
from studio.dashboard.parts.plain import plain
from studio.dashboard.views.sets import prints
from studio.dashboard.views.sets.choosing import remember_failure
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError
from studio.workplace.choices import title_of
from studio.workplace.copies import Copies

_PAGE = 12


def show(opened: OpenedSet, found: Sequence[Copies]) -> None:
    prints.put_on()
    st.caption("What is shown twice is learned twice. By itself the larger of two is kept.")
    number = 1
    if len(found) > _PAGE:
        number = st.pagination(math.ceil(len(found) / _PAGE), key="pairs", bind="query-params")
    for pair in found[(number - 1) * _PAGE : number * _PAGE]:
        _pair(opened, pair)


def _pair(opened: OpenedSet, pair: Copies) -> None:
    one, other = pair.original, pair.copy
    with st.container(border=True):
        said = plain(printable(pair.finding.message))
        st.markdown(f"**{plain(title_of(pair.finding.check)).capitalize()}**: {said}")
        left, right = st.columns(2)
        with left:
            _side(opened, one, other)
        with right:
            _side(opened, other, one)
        key = f"{one.name}|{other.name}"
        with st.container(horizontal=True):
            _choice(opened, "Keep both", f"both|{key}", {one.name: True, other.name: True})
            if any(opened.picture_set.word_on(p.name) is not None for p in (one, other)):
                _choice(opened, "As it was", f"none|{key}", {one.name: None, other.name: None})


def _side(opened: OpenedSet, picture: Picture, other: Picture) -> None:
    prints.figure(opened.name, picture, "of-pair")
    kept = "kept" if picture.kept else "dropped"
    by_you = " by you" if opened.picture_set.word_on(picture.name) is not None else ""
    st.caption(f"{picture.width_px} × {picture.height_px} px · **{kept}{by_you}**")
    words = {picture.name: True, other.name: False}
    _choice(opened, "Keep only this one", f"only|{picture.name}|{other.name}", words)


def _choice(opened: OpenedSet, label: str, key: str, words: Mapping[str, bool | None]) -> None:
    st.button(label, key=key, on_click=_decide, args=(opened, words))


def _decide(opened: OpenedSet, words: Mapping[str, bool | None]) -> None:
    try:
        opened.sets.decide_all(opened.name, words)
    except StudioError as error:
        remember_failure(error)
