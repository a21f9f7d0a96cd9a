"""The verdict before anything else: may this set be trained on, and what would make it better?"""

from __future__ import annotations

import streamlit as st

from studio.curation.advice import sentence
from studio.curation.manifest import CuratedSet
from studio.curation.summary import printable
from studio.dashboard.parts.plain import plain
from studio.dashboard.pictures import report_url
from studio.dashboard.views.sets import judged
from studio.dashboard.views.sets.opened import OpenedSet

_FIRST_STEPS = 3


def show(opened: OpenedSet) -> None:
    curated = opened.judged.curated
    with st.container(border=True):
        left, right = st.columns([4, 1.4], vertical_alignment="center")
        with left:
            _sentence(opened, curated)
        with right:
            _ways_on(opened, curated)
        _what_to_do(curated)


def _sentence(opened: OpenedSet, curated: CuratedSet) -> None:
    title, _, rest = curated.verdict.partition(": ")
    icon = ":green[:material/check_circle:]" if curated.ready else ":red[:material/block:]"
    st.markdown(f"## {icon} {plain(title)}")
    found, kept, dropped = (len(p) for p in (curated.pictures, curated.kept, curated.dropped))
    with st.container(horizontal=True, vertical_alignment="center", gap="large"):
        counts = f"**{kept}** kept · **{dropped}** dropped · {found} found"
        st.markdown(counts, width="content")
        judged.line(opened.place)
    if not curated.ready:
        st.markdown(plain(printable(sentence(rest))))


def _ways_on(opened: OpenedSet, curated: CuratedSet) -> None:
    if st.button(
        "Make a recipe",
        type="primary",
        icon=":material/arrow_forward:",
        icon_position="right",
        width="stretch",
        disabled=not curated.ready,
        help=None if curated.ready else plain(printable(curated.verdict)),
    ):
        from studio.dashboard.navigation import go  # it imports all pages, this one too

        go("recipe", set=opened.name)
    st.link_button(
        "Full report",
        report_url(opened.name),
        icon=":material/download:",
        width="stretch",
    )


def _what_to_do(curated: CuratedSet) -> None:
    told_already = sentence(curated.verdict.partition(": ")[2])
    steps = [plain(printable(step)) for step in curated.to_do if step != told_already]
    if not steps:
        return
    shown, folded = steps[:_FIRST_STEPS], steps[_FIRST_STEPS:]
    st.markdown("**What would make it better**\n" + "\n".join(f"- {step}" for step in shown))
    if folded:
        with st.expander(f"{len(folded)} more"):
            st.markdown("\n".join(f"- {step}" for step in folded))
