"""A drawing with more pictures than stand large beside each other: a table that scrolls within the page.

Headings are text of the page, as large as any; the sheet that can be downloaded has its own.
"""

from __future__ import annotations

import html

import streamlit as st

from studio.dashboard.drawings import drawn_url
from studio.errands.drawing_order import DrawingOrder
from studio.workplace.drawings import Drawing, DrawnPicture

_CSS = """
<style>
.studio-contact-sheet { overflow: auto; max-height: 80vh; }
.studio-contact-sheet table { border-collapse: collapse; width: 100%; }
.studio-contact-sheet th { font-weight: 600; font-size: 0.875rem; text-align: left; padding: 0.25rem 0.5rem;
  position: sticky; backdrop-filter: blur(1rem); }
.studio-contact-sheet thead th { top: 0; vertical-align: bottom; z-index: 1; }
.studio-contact-sheet tbody th { left: 0; vertical-align: top; min-width: 7rem; max-width: 9rem; }
.studio-contact-sheet td { padding: 2px; }
.studio-contact-sheet img { display: block; width: 100%; min-width: 5rem; border-radius: 4px; }
</style>
"""


def contact_sheet(done: Drawing) -> None:
    """A row for each heading; a click on a picture opens it alone."""
    numbers = {id(picture): number for number, picture in enumerate(done.pictures)}
    first, *_ = done.rows.values()
    head = "".join(f'<th scope="col">{html.escape(picture.column)}</th>' for picture in first)
    body = "".join(
        f'<tr><th scope="row">{html.escape(heading)}</th>'
        + "".join(_cell(done.key, numbers[id(picture)], picture) for picture in row)
        + "</tr>"
        for heading, row in done.rows.items()
    )
    st.html(
        f'{_CSS}<div class="studio-contact-sheet" tabindex="0"><table>'
        f"<thead><tr><th>{_corner(done.order)}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _corner(order: DrawingOrder) -> str:
    """What the headings are of, where they do not say it."""
    return {"pairs": "", "sweep": "strength", "grid": f"{order.rows} by {order.columns}"}[
        order.mode
    ]


def _cell(key: str, number: int, picture: DrawnPicture) -> str:
    address, what = drawn_url(key, number), html.escape(picture.alt)
    image = f'<img src="{address}" alt="{what}" loading="lazy">'
    return f'<td><a href="{address}" target="_blank">{image}</a></td>'
