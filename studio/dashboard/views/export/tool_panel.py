"""The files for one tool: whether they work, where they go, how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from studio.adapters.for_tools import Reading, Target
from studio.contender import size_text
from studio.dashboard.downloads import download_url
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.waited_for import waited_for
from studio.errands import Standing
from studio.errands.export_order import ExportOrder
from studio.workplace.adapters_found import POCKET, FoundAdapter

HEIGHT_PX = 320


def tool_panel(order: ExportOrder, target: Target, adapter: FoundAdapter) -> None:
    """What came of the order, or how it stands."""
    st.subheader(f"For {target.title}")
    errand = order.errand()
    if _is_gone(here().desk.standing(errand)):
        here().desk.ask(errand, anew=True)
    result = waited_for(errand, height_px=HEIGHT_PX)
    if result is None:
        return
    with st.container(border=True):
        if result["files"]:
            _works(result, target, adapter)
        else:
            _refused(result, target)


def _is_gone(standing: Standing) -> bool:
    """Whether a file was deleted since it was written."""
    if standing.state != "done":
        return False
    return not all(Path(file["path"]).is_file() for file in standing.result["files"])


def _works(result: Mapping[str, Any], target: Target, adapter: FoundAdapter) -> None:
    reading = Reading.of(result["format"], result["tools"])
    refusals = reading.refusals(target)
    works = [tool for tool in target.readers if tool not in refusals]
    if adapter.base_model == POCKET:
        st.info(
            "It was trained on pocket, a small model to practise with, which other tools do not bring "
            "along: they read the file, and have no model that it changes.",
            icon=":material/school:",
        )
    st.success(f"Works in {', '.join(works)}. {plain(_verdict(result['verdict']))}")
    for tool, because in refusals.items():
        st.warning(f"Will not work in {tool}: {plain(because)}")
    with st.container(horizontal=True):
        for file in result["files"]:
            path = here().workplace.roots.allowed(file["path"])
            st.link_button(
                f"Download {plain(file['name'])} · {size_text(file['size_bytes'])}",
                download_url(path),
                type="primary",
                icon=":material/download:",
            )
    if adapter.base_model != POCKET:
        st.caption(
            "It changes the base model that it was trained on and its descendants: "
            f"{plain(adapter.base_model)}."
        )
    where, how = st.columns(2)
    name = Path(result["files"][0]["name"]).stem
    with where:
        st.markdown("**Where it goes**")
        place = target.place(result["kind"], result["format"])
        st.code(place.replace("FILE", result["files"][0]["name"]), language=None, wrap_lines=True)
    with how:
        st.markdown("**How a prompt begins**")
        prompt = target.prompt(result["kind"], result["format"], name, adapter.trigger)
        st.code(prompt or "nothing special", language=None, wrap_lines=True)
    others = [tool for tool, because in reading.because.items() if not because]
    if also := [tool for tool in others if tool not in target.readers]:
        st.caption(f"The same file works in {', '.join(also)} too.")


def _refused(result: Mapping[str, Any], target: Target) -> None:
    st.error(f"No file of this adapter works in {target.title}.")
    for name, refusals in result["refusals"].items():
        for tool, because in refusals.items():
            st.caption(f"{plain(name)}, {tool}: {plain(because)}")


def _verdict(verdict: Mapping[str, Any]) -> str:
    """What reading the file back has shown, in words."""
    off = verdict.get("max_relative_difference")
    told = f"Read back and compared: {verdict['layers']} layers as {verdict['dtype']}"
    return f"{told}, the largest is off by {off:.2%} of its change." if off else f"{told}."
