"""Pictures in a page that nobody acts on: plain HTML, every value escaped."""

from __future__ import annotations

import html

import streamlit as st

from studio.curation.manifest import Picture
from studio.curation.summary import printable
from studio.dashboard.pictures import picture_url
from studio.workplace.thumbnails import Look

_CSS = """
<style>
.studio-print { margin: 0; }
.studio-print img { display: block; width: 100%; object-fit: contain; border-radius: 4px; }
.studio-print.of-pair img { height: 15rem; }
.studio-print.alone img { height: min(62vh, 40rem); }
.studio-print figcaption { font-size: 0.8rem; overflow-wrap: anywhere; padding-top: 0.25rem; }
.studio-prints { display: grid; gap: 0.5rem; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.studio-prints img { width: 100%; aspect-ratio: 1; object-fit: contain; }
.studio-prints img.grain { width: 128px; max-width: 100%; object-fit: none; image-rendering: pixelated; }
</style>
"""


def put_on() -> None:
    """What the prints look like; once a page."""
    st.html(_CSS)


def figure(set_name: str, picture: Picture, kind: str, look: Look = "small") -> None:
    """One picture with its name; ``kind`` is a class of the style above."""
    st.html(
        f'<figure class="studio-print {kind}">{image(set_name, picture, look)}'
        f"<figcaption>{html.escape(printable(picture.name))}</figcaption></figure>"
    )


def image(set_name: str, picture: Picture, look: Look = "small") -> str:
    """As HTML; a picture that cannot be shown is told of in words."""
    if not picture.width_px:
        return "<p>This file cannot be shown.</p>"
    address = html.escape(picture_url(set_name, picture.digest, look))
    what = html.escape(printable(picture.caption or picture.name))
    return f'<img class="{look}" src="{address}" alt="{what}" loading="lazy">'
