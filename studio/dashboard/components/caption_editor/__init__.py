"""A field for a caption that tells what is in it while one types."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "studio_caption_editor",
    html='<label class="label" for="text">Caption</label><textarea id="text" rows="5"></textarea>',
    css=(_HERE / "caption_editor.css").read_text("utf-8"),
    js=(_HERE / "caption_editor.js").read_text("utf-8"),
)


def caption_editor(text: str, *, key: str, most_letters: int) -> str:
    """The text as it stands in the field, whether or not it was saved.

    Args:
        text: what it begins with.
        key: another for each picture.
    """
    data = {"text": text, "most": most_letters}
    typed = _mount(key=key, data=data, default={"text": text}, on_text_change=_nothing).text
    return typed[:most_letters] if isinstance(typed, str) else text


def typed_into(key: str, *, most_letters: int) -> str | None:
    """What an editor's field holds, for callbacks, which run before it is drawn again; None where nobody
    wrote into it.
    """
    typed = st.session_state.get(key, {}).get("text")
    return typed[:most_letters] if isinstance(typed, str) else None


def _nothing() -> None:
    """Streamlit keeps a state only of what has a callback; the page runs again anyway."""
