"""The page Sets: which pictures there are, whether they are fit to learn from, and what is decided.

``?set=`` says which set, ``?show=``, ``?filter=`` and ``?page=`` which part of it, ``?picture=`` which one
is looked at closely.
"""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.sets import (
    adding,
    browsed,
    choosing,
    judged,
    loupe,
    materials,
    pairs,
    settings,
    verdict,
)
from studio.dashboard.views.sets.opened import OpenedSet
from studio.workplace.copies import copies
from studio.workplace.picture_sets import PictureSets

# About as high as what will stand there.
_VERDICT_PX, _GALLERY_PX = 260, 480

GALLERY, COPIES, MATERIALS = "Gallery", "Copies", "Two materials"


def page() -> None:
    sets = PictureSets(here().workplace)
    st.title("Sets")
    name = choosing.chosen(sets)
    if name is None:
        adding.show(sets)
        return
    choosing.show_what_happened()
    _show(OpenedSet.of(sets, name))


def _show(opened: OpenedSet) -> None:
    if opened.judgement is None:
        standing = judged.line(opened.place)
        settings.show(opened)
        if standing is None or standing.state != "failed":
            st.skeleton(_VERDICT_PX)
            st.skeleton(_GALLERY_PX)
        return
    verdict.show(opened)
    settings.show(opened)
    with told_errors():
        _part(opened)
    loupe.show_if_asked(opened, browsed.names_in_order(opened))


def _part(opened: OpenedSet) -> None:
    found_copies, stranger = copies(opened.judged), materials.finding(opened)
    parts = [GALLERY, *([COPIES] if found_copies else []), *([MATERIALS] if stranger else [])]
    shown = GALLERY
    if len(parts) > 1:
        shown = st.segmented_control(
            "Show",
            parts,
            default=GALLERY,
            required=True,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
        )
    if shown == COPIES:
        pairs.show(opened, found_copies)
    elif shown == MATERIALS and stranger:
        materials.show(opened, stranger)
    else:
        browsed.show(opened)
