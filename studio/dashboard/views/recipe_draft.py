"""The recipe that a page works on: its file, read anew in each run, so that two tabs do not fight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2s

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.told import told_errors
from studio.forms.sheet import Sheet, read
from studio.workplace.drafts import Drafts

PARAMETER = "draft"


@dataclass(frozen=True)
class OpenDraft:
    """One recipe in the making, by the name in the page's address."""

    name: str

    def sheet(self) -> Sheet:
        """As it is now, whoever changed it last."""
        return read(drafts().read(self.name))

    def change(self, to: Callable[[Sheet], str]) -> None:
        """Keep what ``to`` makes of it; for widgets' callbacks."""
        with told_errors():
            drafts().save(self.name, to(self.sheet()))


def key_for(draft: OpenDraft, place: str, value: object) -> str:
    """The key of a widget that begins with ``value``: another value is another widget.

    So every run says what a widget shows, and none takes away what is being typed into another.
    """
    return f"{draft.name}/{place}/{blake2s(repr(value).encode(), digest_size=6).hexdigest()}"


def drafts() -> Drafts:
    return Drafts(here().workplace)


def show(name: str) -> None:
    """Put a draft into the address, and nothing else of what stood there."""
    st.query_params.from_dict({PARAMETER: name})
