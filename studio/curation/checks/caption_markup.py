"""Captions with text that is meant for a program and not for a reader."""

from __future__ import annotations

from studio.curation.caption_markup import markup_in
from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View

_SHOWN = 3


class CaptionMarkup(PictureCheck):
    """Score: pieces of markup. HTML, web addresses, and what only a prompt box understands:
    ``<lora:…>``, ``BREAK``, ``(word:1.2)``. Training reads all of it letter by letter.
    """

    name = "caption_markup"

    def examine(self, view: View) -> Finding | None:
        pieces = markup_in(view.caption)
        if not pieces:
            return None
        shown = " ".join(pieces[:_SHOWN]) + (" …" if len(pieces) > _SHOWN else "")
        message = (
            f"its caption holds markup, {shown}, which is learned as if it were words; take it out"
        )
        return self.finding("warn", len(pieces), 0, message, markup=pieces)
