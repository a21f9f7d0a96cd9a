"""Captions that stand where a caption should be, and say nothing."""

from __future__ import annotations

import re

from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View

_WORD = re.compile(r"[^\W\d_]+")
_EMPTY = frozenset(
    _WORD.findall(
        "a an the of this is that there here some my no not one"
        " image images img pic pics picture pictures photo photos photograph file jpg jpeg png webp gif"
        " caption description text alt tag tags title untitled unnamed unknown undefined none null nan"
        " na todo tbd fixme placeholder example sample test lorem ipsum dolor sit amet"
    )
)


class CaptionPlaceholder(PictureCheck):
    """Score: words that say something of the picture."""

    name = "caption_placeholder"

    def examine(self, view: View) -> Finding | None:
        words = _WORD.findall(view.caption.lower())
        if not view.caption or not words or any(word not in _EMPTY for word in words):
            return None
        message = f'its caption, "{view.caption}", says nothing; write what is to be seen'
        return self.finding("warn", 0, 1, message)
