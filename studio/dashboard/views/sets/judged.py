"""How the judging stands; told beside what stands there anyway, so that nothing jumps."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell, told_errors
from studio.errands import Standing
from studio.workplace.rejudging import judging, see_to
from studio.workplace.set_folder import SetFolder

_EVERY_SECONDS = 1.0


def line(place: SetFolder) -> Standing | None:
    """Have the set judged where it must be, and show the page anew when that ends.

    Returns:
        How it stands now; None where the judgement is the newest.
    """
    standing = see_to(here().desk, place)
    is_open = standing is not None and not standing.is_over
    st.fragment(_line, run_every=_EVERY_SECONDS if is_open else None)(place, was_open=is_open)
    return standing


def _line(place: SetFolder, *, was_open: bool) -> None:
    with told_errors():  # another tab may have removed the set
        standing = see_to(here().desk, place)
        if was_open and (standing is None or standing.is_over):
            st.rerun()
        if standing is not None:
            _show(place, standing)


def _show(place: SetFolder, standing: Standing) -> None:
    if standing.state == "failed":
        _failed(place, standing)
    elif not place.manifest_path.is_file():
        _first(standing)
    else:
        st.caption(f":material/hourglass: judging again{_count(standing)}", width="content")


def _first(standing: Standing) -> None:
    share = min(1.0, standing.done / standing.total) if standing.total else 0.0
    title = plain(standing.title or "waiting")
    st.progress(share, f"{title[:1].upper()}{title[1:]}{_count(standing)}")


def _count(standing: Standing) -> str:
    return f": {standing.done} of {standing.total}" if standing.total else "…"


def _failed(place: SetFolder, standing: Standing) -> None:
    tell(standing.error)
    if st.button("Look again", icon=":material/refresh:", key="again-after-failure"):
        here().desk.ask(judging(place), anew=True)
        st.rerun()
