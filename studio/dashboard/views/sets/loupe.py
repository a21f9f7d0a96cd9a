"""One picture looked at closely: large, with all that was found, its caption, and the way to the next."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.curation.caption_text import tidy
from studio.curation.manifest import Finding, Picture
from studio.curation.summary import printable
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.sets import captions, prints
from studio.dashboard.views.sets.choosing import remember_failure, show_what_happened
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError
from studio.workplace.choices import title_of
from studio.workplace.judgement import findings_of_checks, is_about_caption
from studio.workplace.picture_sets import PictureSets

_PICTURE = "picture"
_ICONS = {
    "block": ":red[:material/block:]",
    "warn": ":orange[:material/warning:]",
    "info": ":material/info:",
}


def open_at(name: str) -> None:
    st.query_params[_PICTURE] = name


def show_if_asked(opened: OpenedSet, order: Sequence[str]) -> None:
    """Show the picture of the address, if there is one.

    Args:
        order: names of the pictures to go through, back and forth.
    """
    if st.query_params.get(_PICTURE) in opened.judged.by_name:
        _dialog(opened.name, order)


def _go_to(name: str) -> None:
    captions.keep_typed()
    open_at(name)


def _close() -> None:
    captions.keep_typed()
    st.query_params.pop(_PICTURE, None)


@st.dialog("Looking closely", width="large", on_dismiss=_close)
def _dialog(set_name: str, order: Sequence[str]) -> None:
    """Runs by itself while it is open, so that it reads the set anew each time."""
    with told_errors():
        _look_closely(set_name, order)


def _look_closely(set_name: str, order: Sequence[str]) -> None:
    opened = OpenedSet.of(PictureSets(here().workplace), set_name)
    name = st.query_params.get(_PICTURE, "")
    picture = opened.judged.by_name.get(name)
    if picture is None:
        st.rerun()
    show_what_happened()
    prints.put_on()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        prints.figure(set_name, picture, "alone", "large")
        _ways(order, name)
    with right:
        caption = captions.current(opened, picture)
        _decision(opened, picture)
        _findings(picture, caption_is_judged=tidy(caption) == picture.caption)
        captions.show(opened, picture, caption)


def _ways(names: Sequence[str], name: str) -> None:
    at = names.index(name) if name in names else -1
    before = names[at - 1] if at > 0 else None
    after = names[at + 1] if 0 <= at < len(names) - 1 else None
    with st.container(horizontal=True, vertical_alignment="center"):
        _way("Previous", before, "left")
        _way("Next", after, "right")
        if at >= 0:
            st.caption(f"{at + 1} of {len(names)}")


def _way(label: str, name: str | None, shortcut: str) -> None:
    st.button(label, shortcut=shortcut, disabled=name is None, on_click=_go_to, args=(name,))


def _decision(opened: OpenedSet, picture: Picture) -> None:
    word = opened.picture_set.word_on(picture.name)
    state = "Kept" if picture.kept else "Dropped"
    st.markdown(f"**{state}{' by you' if word is not None else ''}**")
    with st.container(horizontal=True):
        for label, shortcut, keep in (
            ("Keep", "k", True),
            ("Drop", "d", False),
            ("Undo", "u", None),
        ):
            st.button(
                label,
                key=f"loupe-{label}",
                shortcut=shortcut,
                type="primary" if keep is word and word is not None else "secondary",
                disabled=not picture.width_px or (keep is None and word is None),
                on_click=_decide,
                args=(opened, picture.name, keep),
            )


def _decide(opened: OpenedSet, name: str, keep: bool | None) -> None:
    try:
        opened.sets.decide(opened.name, name, keep)
    except StudioError as error:
        remember_failure(error)


def _findings(picture: Picture, *, caption_is_judged: bool) -> None:
    """Args:
    caption_is_judged: it was not edited since; what was found of an older one is left out.
    """
    st.caption(_size(picture))
    found = [
        finding
        for finding in findings_of_checks(picture)
        if caption_is_judged or not is_about_caption(finding)
    ]
    for finding in found:
        st.markdown(_told(finding))
    if not caption_is_judged:
        st.caption("The caption is new and not judged yet.")
    elif not found:
        st.markdown(":green[:material/check:] Nothing to remark.")


def _size(picture: Picture) -> str:
    size = f"{picture.width_px} × {picture.height_px} px" if picture.width_px else "unreadable"
    return f"{size} · {plain(printable(picture.camera))}" if picture.camera else size


def _told(finding: Finding) -> str:
    title = plain(title_of(finding.check)).capitalize()
    text = f"{_ICONS[finding.severity]} **{title}**: {plain(printable(finding.message))}"
    return f"{text}  \n:small[measured {finding.score:g}, limit {finding.threshold:g}]"
