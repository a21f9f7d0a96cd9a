"""How the studio looks: paper by day, a darkroom by night."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

ICON = Path(__file__).with_name("icon.svg")
SAFELIGHT, INK, PAPER = "#d4532b", "#1c2126", "#f5f4f1"

THEME: Mapping[str, str] = {
    "theme.primaryColor": SAFELIGHT,
    "theme.baseRadius": "6px",
    "theme.headingFontWeights": "[600, 600, 600, 600, 600, 600]",
    "theme.headingFontSizes": '["1.9rem", "1.4rem", "1.15rem", "1rem", "1rem", "1rem"]',
    "theme.metricValueFontSize": "1.5rem",
    "theme.light.backgroundColor": PAPER,
    "theme.light.secondaryBackgroundColor": "#ebe9e4",
    "theme.light.textColor": INK,
    "theme.light.borderColor": "#d9d8d3",
    "theme.dark.backgroundColor": "#14110f",
    "theme.dark.secondaryBackgroundColor": "#211b18",
    "theme.dark.textColor": "#efe6df",
    "theme.dark.borderColor": "#3a2f2a",
    "theme.dark.primaryColor": "#ef6a3f",
}
"""Options of Streamlit's."""

# Less air at the top and at the sides: pictures want the room.
_CSS = """
<style>
.stMainBlockContainer { padding: 4.5rem 2rem 3rem; max-width: 1500px; margin: 0 auto; }
</style>
"""


def put_on() -> None:
    """What the theme's options cannot say."""
    st.html(_CSS)
