"""A small way through the folders that may be read."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from studio.dashboard.parts.plain import plain
from studio.workplace.browsing import Inside, Listing, look_into
from studio.workplace.roots import Roots

_FOLDER = "folder"
_COLUMNS = 3


def chosen(roots: Roots) -> Path | None:
    """A folder or archive that may be read, and in which there is something; None until then.

    Raises:
        RootsError: what is in the field leads elsewhere.
    """
    given = st.text_input(
        "Folder, .zip or .tar",
        value=str(roots.folders[0]),
        key=_FOLDER,
        bind="query-params",
        help=f"Folders that may be read: {plain(roots)}. Others: start with --root.",
    )
    path = roots.allowed(given)
    if path.is_file():
        st.caption(f"An archive: {plain(path.name)}")
        return path
    listing = look_into(path, roots)
    _show(listing)
    return listing.path


def _show(listing: Listing) -> None:
    pictures = f"{listing.pictures} pictures" if listing.pictures else "No picture"
    st.caption(f"{pictures} directly in this folder; those in folders below count too.")
    with st.container(border=True):
        st.button(
            "One folder up",
            icon=":material/arrow_upward:",
            type="tertiary",
            disabled=listing.parent is None,
            on_click=_enter,
            args=(listing.parent,),
        )
        columns = st.columns(_COLUMNS)
        for index, inside in enumerate(listing.folders):
            with columns[index % _COLUMNS]:
                _way_into(inside)
        if listing.more_folders:
            st.caption(f"and {listing.more_folders} more; write the path to get there")


def _way_into(inside: Inside) -> None:
    count = f" · {inside.pictures} pictures" if inside.pictures else ""
    st.button(
        f"{plain(inside.path.name)}{count}",
        icon=":material/folder:",
        type="tertiary",
        key=f"into-{inside.path}",
        on_click=_enter,
        args=(inside.path,),
    )


def _enter(path: Path | None) -> None:
    if path is not None:
        st.session_state[_FOLDER] = str(path)
