"""The gallery: narrowed to what matters, a page at a time, decided with single keys."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from studio.curation.manifest import Picture
from studio.curation.summary import printable
from studio.dashboard.components.gallery import Asked, Tile, gallery
from studio.dashboard.parts.told import nothing_yet
from studio.dashboard.pictures import picture_url
from studio.dashboard.views.sets import loupe
from studio.dashboard.views.sets.choosing import remember_failure
from studio.dashboard.views.sets.opened import OpenedSet
from studio.errors import StudioError
from studio.workplace.choices import ALL, Choice, choices, kept_by_checks, narrowed, title_of, worst

PAGE = 60
_FILTER, _PAGE = "filter", "page"


def show(opened: OpenedSet) -> None:
    curated = opened.judged.curated
    narrowed_to = st.query_params.get(_FILTER, ALL)
    _choose(choices(curated), narrowed_to)
    pictures = narrowed(curated, narrowed_to)
    if not pictures:
        nothing_yet("No picture here", "Choose another group above.", ":material/filter_alt_off:")
        return
    st.caption(
        "Arrow keys move · **K** keep · **D** drop · **U** back to what the checks said · "
        "**Enter** or a click looks closer"
    )
    number = _page_number(len(pictures))
    shown = pictures[(number - 1) * PAGE : number * PAGE]
    _gallery(opened, shown)


def names_in_order(opened: OpenedSet) -> list[str]:
    """All that the gallery goes through, on all its pages."""
    narrowed_to = st.query_params.get(_FILTER, ALL)
    return [picture.name for picture in narrowed(opened.judged.curated, narrowed_to)]


def _choose(found: Sequence[Choice], narrowed_to: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for choice in found:
            is_chosen = choice.key == narrowed_to
            st.button(
                f"{choice.title} · {choice.count}",
                key=f"sets.choice.{choice.key}",
                type="primary" if is_chosen else "secondary",
                on_click=_narrow,
                args=(choice.key,),
            )


def _narrow(key: str) -> None:
    st.query_params[_FILTER] = key
    st.session_state[_PAGE] = 1


def _page_number(count: int) -> int:
    pages = math.ceil(count / PAGE)
    if pages == 1:
        return 1
    return min(st.pagination(pages, key=_PAGE, bind="query-params"), pages)


def _gallery(opened: OpenedSet, pictures: Sequence[Picture]) -> None:
    arrived = f"sets.arrived.{opened.name}"

    def act(asked: Asked) -> None:
        st.session_state[arrived] = asked.number
        try:
            if asked.words:
                opened.sets.decide_all(opened.name, asked.words)
        except StudioError as error:
            remember_failure(error)
        if asked.opened in opened.judged.by_name:
            loupe.open_at(asked.opened)

    gallery(
        [_tile(opened, picture) for picture in pictures],
        arrived=st.session_state.get(arrived, 0),
        key=f"sets.gallery.{opened.name}",
        on_asked=act,
    )


def _tile(opened: OpenedSet, picture: Picture) -> Tile:
    gravest = worst(picture)
    return Tile(
        name=picture.name,
        url=picture_url(opened.name, picture.digest) if picture.width_px else "",
        alt=printable(picture.caption or picture.name),
        badge=title_of(gravest.check) if gravest else "",
        severity=gravest.severity if gravest else "",
        word=opened.picture_set.word_on(picture.name),
        by_checks=kept_by_checks(picture),
        can_be_kept=picture.width_px > 0,
    )
