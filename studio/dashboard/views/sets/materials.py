"""Two materials in one set, side by side: the whole picture small, and its calmest part pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.curation.manifest import Finding
from studio.curation.report.materials import shown_names, two_materials
from studio.curation.summary import printable
from studio.dashboard.parts.plain import plain
from studio.dashboard.views.sets import prints
from studio.dashboard.views.sets.choosing import remember_failure
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError

_SHOWN = 6
_GROUPS = (("majority", "Most of the set"), ("minority", "The strangers"))


def finding(opened: OpenedSet) -> Finding | None:
    """What tells of two materials, where the set was found to be of two."""
    return two_materials(opened.judged.curated)


def show(opened: OpenedSet, stranger: Finding) -> None:
    prints.put_on()
    st.markdown(plain(printable(stranger.message)).capitalize() + ".")
    shown = shown_names(stranger, opened.judged.curated)
    columns = st.columns(2, border=True)
    for column, (key, title) in zip(columns, _GROUPS, strict=True):
        names = stranger.evidence.get(key)
        with column:
            _group(opened, stranger, key, title, names if isinstance(names, list) else [])
            _prints(opened, shown[key][:_SHOWN])


def _group(
    opened: OpenedSet, stranger: Finding, key: str, title: str, names: Sequence[str]
) -> None:
    material = stranger.evidence.get(f"{key}_material", "")
    st.markdown(f"**{title}** · {len(names)} {plain(material)}")
    with st.container(horizontal=True):
        for label, keep in (("Keep all of these", True), ("Drop all of these", False)):
            word = "keep" if keep else "drop"
            st.button(label, key=f"{word}-{key}", on_click=_decide, args=(opened, names, keep))


def _prints(opened: OpenedSet, names: Sequence[str]) -> None:
    pictures = [opened.judged.by_name[name] for name in names]
    st.html(
        f'<div class="studio-prints">{"".join(prints.image(opened.name, p) for p in pictures)}</div>'
    )
    st.caption("The same, pixel by pixel:")
    grains = (prints.image(opened.name, picture, "grain") for picture in pictures)
    st.html(f'<div class="studio-prints">{"".join(grains)}</div>')


def _decide(opened: OpenedSet, names: Sequence[str], keep: bool) -> None:
    there = opened.judged.by_name
    try:
        opened.sets.decide_all(opened.name, {name: keep for name in names if name in there})
    except StudioError as error:
        remember_failure(error)
