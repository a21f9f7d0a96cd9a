"""The page itself: what to draw on the left; on the right the buttons, and what came of it; former
drawings below.
"""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.drawn import SHOWN, shown_drawing
from studio.dashboard.parts.told import nothing_yet, told_errors
from studio.dashboard.views.preview.adapters_panel import adapters_panel
from studio.dashboard.views.preview.history import history
from studio.dashboard.views.preview.sampling_panel import sampling_panel
from studio.dashboard.views.preview.ways import ways
from studio.workplace.adapters_found import adapters_of_runs

# Buttons and pictures stay in sight while one scrolls through the settings beside them.
_CSS = """
<style>
[data-testid="stColumn"]:has(.st-key-shown-drawing) {
  position: sticky; top: 4.5rem; align-self: flex-start;
}
</style>
"""


def page() -> None:
    st.html(_CSS)
    st.title("Preview")
    found = adapters_of_runs(here().workplace.runs)
    left, right = st.columns([2, 3], gap="large")
    buttons = right.container()
    with left, told_errors():
        chosen = adapters_panel(found)
        sampling = sampling_panel([adapter.trigger for adapter in chosen.found])
        with buttons, told_errors():
            ways(chosen, sampling)
    with right, st.container(key="shown-drawing"):
        if SHOWN in st.query_params:
            shown_drawing()
        else:
            nothing_yet(
                "Nothing drawn yet",
                "Choose an adapter and press **Draw**: its pictures appear here beside those of the "
                "bare base model, from the same noise.",
                ":material/imagesmode:",
            )
    history()
