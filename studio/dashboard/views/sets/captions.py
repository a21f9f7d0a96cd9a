"""A picture's caption, edited where one sees the picture; counted and checked while one types."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from studio.curation.caption_text import shortened
from studio.curation.manifest import Picture
from studio.curation.summary import printable
from studio.dashboard.components.caption_editor import caption_editor, typed_into
from studio.dashboard.parts.plain import plain
from studio.dashboard.views.sets.choosing import remember_done, remember_failure
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError
from studio.workplace.caption_facts import CaptionFacts, caption_facts
from studio.workplace.hand_captions import MOST_LETTERS
from studio.workplace.picture_sets import PictureSets
from studio.workplace.reading import reader_of

_SOURCES = {
    "txt": "from a .txt file",
    "metadata": "from the set's metadata",
    "file_name": "read from the file's name",
    "auto": "written by a program",
    "none": "there is none",
}
_SHOWN_OF_LOST = 120
_OPEN = "sets.caption"


@dataclass(frozen=True)
class _Open:
    """The field that is shown, for callbacks.

    Attributes:
        before: the caption that it began with.
        key: the field's.
    """

    sets: PictureSets
    set_name: str
    picture: str
    before: str
    key: str


def current(opened: OpenedSet, picture: Picture) -> str:
    """The caption as it stands now, edited or found; the judgement may be older."""
    edited = opened.sets.caption(opened.name, picture.name)
    return _found(opened, picture) if edited is None else edited


def keep_typed() -> None:
    """Save what was typed and not saved, for callbacks that lead away from the field."""
    left: _Open | None = st.session_state.pop(_OPEN, None)
    text = typed_into(left.key, most_letters=MOST_LETTERS) if left else None
    if left is None or text is None or text == left.before:
        return
    try:
        left.sets.set_caption(left.set_name, left.picture, text)
    except StudioError as error:
        remember_failure(error)
    else:
        remember_done(f"Caption of {plain(printable(left.picture))} saved")


def show(opened: OpenedSet, picture: Picture, before: str) -> None:
    """Args:
    before: the `current` caption.
    """
    edited = opened.sets.caption(opened.name, picture.name)
    key = f"caption.{opened.name}.{picture.name}.{opened.picture_set.caption_edits}"
    st.session_state[_OPEN] = _Open(opened.sets, opened.name, picture.name, before, key)
    text = caption_editor(before, key=key, most_letters=MOST_LETTERS)
    trigger = opened.picture_set.trigger
    _facts(caption_facts(text, trigger, reader_of(opened.picture_set)), trigger)
    st.caption("edited here" if edited is not None else _SOURCES[picture.caption_source])
    with st.container(horizontal=True):
        # Never disabled: a button that goes dead under the hand takes the keyboard's focus with it.
        if st.button("Save caption") and text != before:
            opened.sets.set_caption(opened.name, picture.name, text)
            st.rerun(scope="fragment")
        if edited is not None and st.button("Caption as it was found"):
            opened.sets.set_caption(opened.name, picture.name, None)
            st.rerun(scope="fragment")


def _found(opened: OpenedSet, picture: Picture) -> str:
    """As it was found; the judgement may still hold one that was edited and taken back."""
    if opened.picture_set.caption_edits and opened.place.is_stale():
        return opened.sets.found_caption(opened.name, picture.name)
    return picture.caption


def _facts(facts: CaptionFacts, trigger: str) -> None:
    lines = [_length(facts)]
    if trigger and facts.holds_trigger:
        lines.append(f":green[:material/check:] “{plain(trigger)}” is in it")
    elif trigger:
        lines.append(f"“{plain(trigger)}” is put in front of it in training")
    if facts.slips:
        lines.append(
            f":orange[:material/warning:] {plain(', '.join(facts.slips))} looks like the trigger word "
            "misspelled"
        )
    st.markdown("  \n".join(lines))


def _length(facts: CaptionFacts) -> str:
    if facts.tokens is None:
        return "Tokens are not counted: the base model's vocabulary is not here"
    count = f"{facts.tokens} of {facts.limit} tokens"
    if not facts.lost:
        return count
    lost = plain(shortened(facts.lost, _SHOWN_OF_LOST))
    return f":orange[:material/warning:] {count}; never read: {lost}"
