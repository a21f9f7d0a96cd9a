"""A drawing on a page: asked for, under way, done or failed."""

from __future__ import annotations

import time
from textwrap import shorten

import streamlit as st

from studio.dashboard.downloads import download_url
from studio.dashboard.here import here
from studio.dashboard.parts.contact_sheet import contact_sheet
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.errands import Errand, Standing
from studio.errands.drawing_order import DrawingOrder
from studio.errands.pace import Seen
from studio.workplace.drawings import Drawing, DrawnPicture, drawing

SHOWN = "drawing"
"""Of the page's address: the key of the drawing that it shows."""

LARGE_COLUMNS = 3
"""More pictures beside each other are shown as a sheet."""
MOST_LARGE = 24
MOST_LETTERS = 160
REFRESH_SECONDS = 0.7
_WAITING_PX = 380
_ASKED = "drawing-asked"


def draw(order: DrawingOrder) -> None:
    """Have it drawn, and show it."""
    errand, desk = order.errand(), here().desk
    was = desk.standing(errand)
    is_gone = was.state == "done" and drawing(here().workplace.errands, errand.key) is None
    desk.ask(errand, anew=was.state == "failed" or is_gone)
    st.session_state[_ASKED] = errand
    st.query_params[SHOWN] = errand.key


def shown_drawing() -> None:
    """What the address names; nothing where it names none."""
    key = st.query_params.get(SHOWN)
    if not key:
        return
    done = drawing(here().workplace.errands, key)
    errand = _errand(key)
    if errand is not None and not here().desk.standing(errand).is_over:
        _under_way(errand)
    elif done is not None:
        _result(done)
    elif errand is not None:
        _failed(here().desk.standing(errand))
    else:
        st.info("This drawing was deleted.", icon=":material/hide_image:")


def _errand(key: str) -> Errand | None:
    asked: Errand | None = st.session_state.get(_ASKED)
    known = [*here().desk.under_way("draw"), *([asked] if asked else [])]
    return next((errand for errand in known if errand.key == key), None)


@st.fragment(run_every=REFRESH_SECONDS)
def _under_way(errand: Errand) -> None:
    standing = here().desk.standing(errand)
    if standing.is_over:
        st.rerun()
    with st.container(border=True, height=_WAITING_PX, vertical_alignment="center"):
        st.progress(_share(standing), text=_progress_text(errand, standing))
        if st.button("Cancel", icon=":material/close:"):
            here().desk.cancel(errand)
            st.rerun()


def _share(standing: Standing) -> float:
    return standing.done / standing.total if standing.total else 0.0


def _progress_text(errand: Errand, standing: Standing) -> str:
    if standing.state == "waiting":
        return "Waiting for the drawing before it"
    now, name = time.monotonic(), f"drawing-seen-{errand.key}"
    seen = st.session_state[name] = Seen.first(st.session_state.get(name), standing, now)
    left = seen.seconds_left(standing, now)
    count = f" {standing.done} of {standing.total} pictures" if standing.total else ""
    rest = f", about {max(1, round(left))} s left" if left is not None else ""
    return plain(f"{(standing.title or 'getting ready').capitalize()}{count}{rest}")


def _failed(standing: Standing) -> None:
    if standing.error == "cancelled":
        st.info("Cancelled.", icon=":material/cancel:")
    else:
        tell(standing.error)


def _result(done: Drawing) -> None:
    for warning in done.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    columns = max(len(row) for row in done.rows.values())
    if columns <= LARGE_COLUMNS and len(done.pictures) <= MOST_LARGE:
        for heading, row in done.rows.items():
            _row(heading, row, columns)
    else:
        contact_sheet(done)
    st.link_button(
        "Download PNG",
        download_url(done.grid),
        icon=":material/download:",
        help="All on one sheet.",
    )


def _row(heading: str, row: list[DrawnPicture], columns: int) -> None:
    st.caption(plain(shorten(heading, MOST_LETTERS, placeholder=" …")), help=_whole(heading))
    for place, picture in zip(st.columns(max(2, columns)), row, strict=False):
        strength = f" · {picture.strength:g}" if picture.adapter else ""
        place.image(
            str(picture.path),
            caption=plain(f"{picture.column}{strength}"),
            width="stretch",
            alt=picture.alt,
        )


def _whole(heading: str) -> str | None:
    return plain(heading) if len(heading) > MOST_LETTERS else None
