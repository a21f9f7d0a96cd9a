"""The pages, in the order in which a newcomer meets them, and the way from one to another.

What a page shows is in its address (``?run=demo``), so that a reload, a bookmark or a second tab shows
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

import streamlit as st

from studio.dashboard.views import compare, export, preview, recipe, sets, start, train

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

_PAGES: Mapping[str, tuple[Callable[[], None], str, str]] = {
    "start": (start.page, "Start", ":material/home:"),
    "sets": (sets.page, "Sets", ":material/photo_library:"),
    "recipe": (recipe.page, "Recipe", ":material/receipt_long:"),
    "train": (train.page, "Train", ":material/model_training:"),
    "preview": (preview.page, "Preview", ":material/imagesmode:"),
    "compare": (compare.page, "Compare", ":material/compare:"),
    "export": (export.page, "Export", ":material/output:"),
}


def all_pages() -> list[Page]:
    return [_page(name) for name in _PAGES]


def go(name: str, **shown: str) -> NoReturn:
    """Leave for another page.

    Args:
        shown: what it is to show, as in its address: ``run="demo"``.
    """
    st.switch_page(_page(name), query_params=shown)


def _page(name: str) -> Page:
    function, title, icon = _PAGES[name]
    return st.Page(function, title=title, icon=icon, url_path=name, default=name == "start")
