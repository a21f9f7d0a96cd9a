"""A gallery that one decides in with single keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "studio_gallery",
    html='<div class="gallery" role="listbox" aria-label="Pictures"></div>',
    css=(_HERE / "gallery.css").read_text("utf-8"),
    js=(_HERE / "gallery.js").read_text("utf-8"),
)


@dataclass(frozen=True)
class Tile:
    """One picture of the page.

    Attributes:
        url: where its small print is; empty where there is none to show.
        alt: what it shows, for who does not see it.
        badge: the gravest thing that was found, in few words.
        severity: of that: ``block``, ``warn``, ``info`` or empty.
        word: what was decided by hand: keep, drop, or nothing.
        by_checks: whether the checks alone would keep it.
        can_be_kept: whether there is a picture to keep.
    """

    name: str
    url: str
    alt: str
    badge: str
    severity: str
    word: bool | None
    by_checks: bool
    can_be_kept: bool


@dataclass(frozen=True)
class Asked:
    """What was done in the gallery since the last time.

    Attributes:
        number: goes up; handed back to the gallery, it knows what has arrived.
        words: what was decided, by picture; None takes a word back.
        opened: the picture to be looked at closely; empty for none.
    """

    number: int
    words: Mapping[str, bool | None]
    opened: str

    @classmethod
    def of(cls, content: Any) -> Asked | None:
        """What the browser sent, which may be anything; None where it is nothing to act on."""
        if not isinstance(content, dict) or not isinstance(content.get("words"), dict):
            return None
        number, opened = content.get("number"), content.get("opened")
        words = {str(k): v for k, v in content["words"].items() if v is None or isinstance(v, bool)}
        return cls(
            number if isinstance(number, int) else 0,
            words,
            opened if isinstance(opened, str) else "",
        )


def gallery(
    tiles: Sequence[Tile], *, arrived: int, key: str, on_asked: Callable[[Asked], None]
) -> None:
    """Show a page of pictures.

    Args:
        arrived: the number of the last `Asked` that was acted on.
        on_asked: called before the page runs again.
    """

    def heard() -> None:
        asked = Asked.of(st.session_state[key].get("asked"))
        if asked is not None:
            on_asked(asked)

    data = {"tiles": [asdict(tile) for tile in tiles], "arrived": arrived}
    _mount(key=key, data=data, on_asked_change=heard)
