"""What every visit runs first: the pages, and the way between them."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.navigation import all_pages
from studio.dashboard.parts.told import told_errors
from studio.dashboard.style import ICON, put_on

# An icon of our own: Streamlit would fetch one of its signs from the internet.
st.set_page_config(page_title="Adapter Studio", page_icon=ICON, layout="wide")
put_on()
chosen = st.navigation(all_pages(), position="top")
with told_errors():
    chosen.run()
