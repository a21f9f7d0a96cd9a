"""What is true of the set as a whole: its trigger word, and the base model that it is judged for."""

from __future__ import annotations

import streamlit as st

from studio.bases.published import HUB_IDS
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.sets.choosing import go_to, remember_failure
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError
from studio.workplace.picture_set import DEFAULT_BASE
from studio.workplace.reading import allowed_base
from studio.workplace.rejudging import judging


def show(opened: OpenedSet) -> None:
    word = opened.picture_set.trigger
    said = f"trigger word “{plain(word)}”" if word else "no trigger word yet: set one here"
    title = f"{said} · for {plain(opened.picture_set.base_model)}"
    with st.expander(title[:1].upper() + title[1:], icon=":material/tune:", key="sets.settings"):
        left, right = st.columns(2)
        with left:
            _trigger(opened)
        with right:
            _base(opened)
        _housekeeping(opened)


def _trigger(opened: OpenedSet) -> None:
    key = f"sets.trigger.{opened.name}"
    st.text_input(
        "Trigger word",
        value=opened.picture_set.trigger,
        key=key,
        max_chars=80,
        help="It will call up what was learned, and is put before every caption without it. Best a word "
        "that means nothing yet: an ordinary one brings along what the base model knows of it.",
        placeholder="such as zorp, or zorp style",
        on_change=_change,
        args=(opened, key, "trigger"),
    )


def _base(opened: OpenedSet) -> None:
    key = f"sets.base.{opened.name}"
    own = opened.picture_set.base_model
    options = list(dict.fromkeys([own, DEFAULT_BASE, *HUB_IDS]))
    st.selectbox(
        "Base model",
        options,
        index=0,
        key=key,
        accept_new_options=True,
        help="Pictures are judged for its resolution, captions by how much of them it reads. Write the "
        "path of a file or folder for another.",
        on_change=_change,
        args=(opened, key, "base_model"),
    )


def _change(opened: OpenedSet, key: str, what: str) -> None:
    given = str(st.session_state[key] or "")
    try:
        if what == "base_model":
            base = allowed_base(given or DEFAULT_BASE, here().workplace.roots)
            opened.sets.change(opened.name, base_model=base)
        else:
            opened.sets.change(opened.name, trigger=given)
    except StudioError as error:
        del st.session_state[key]
        remember_failure(error)


def _housekeeping(opened: OpenedSet) -> None:
    st.caption(f"Pictures: {plain(opened.picture_set.source)}")
    with st.container(horizontal=True), told_errors():
        if st.button(
            "Look again",
            icon=":material/refresh:",
            help="After pictures were changed in their folder. What was seen before is remembered.",
        ):
            opened.place.forget_judgement()
            here().desk.ask(judging(opened.place), anew=True)
            st.rerun()
        if st.button("Remove from the list", icon=":material/delete:"):
            _ask_before_removing(opened)


@st.dialog("Remove this set from the list?")
def _ask_before_removing(opened: OpenedSet) -> None:
    st.markdown(f"**{plain(opened.name)}** and what was decided about it are forgotten.")
    uploads = False
    if opened.sets.has_uploads(opened.name):
        uploads = st.checkbox(
            "Also delete the uploaded pictures and edited captions",
            help="Recipes and runs that name them cannot be run again.",
        )
    else:
        st.markdown("The pictures stay where they are.")
    with told_errors():
        if st.button("Remove", type="primary"):
            opened.sets.remove(opened.name, uploads=uploads)
            go_to(None)
