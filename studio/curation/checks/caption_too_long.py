"""Captions of which the end is never read."""

from __future__ import annotations

from collections.abc import Sequence

from studio.curation.caption_text import shortened
from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.reading import CaptionReader, Reading
from studio.curation.view import View

_SHOWN_CHARACTERS = 80


class CaptionTooLong(SetCheck):
    """Score: tokens (pieces of words) in the caption, the trigger and all that the recipe puts
    around it included; the threshold is how many the base model's text encoder reads.

    Without a ``reader`` it says that nothing was counted.
    """

    name = "caption_too_long"

    def __init__(self, reader: CaptionReader | None) -> None:
        self.reader = reader

    def examine(self, views: Sequence[View]) -> SetFindings:
        captioned = [view for view in views if view.caption]
        if self.reader is None:
            return SetFindings({}, self._uncounted() if captioned else ())
        readings = {view.name: self.reader.read(view.caption) for view in captioned}
        return SetFindings(
            {name: self._cut(r) for name, r in readings.items() if any(map(str.isalnum, r.lost))},
            scores={name: float(reading.tokens) for name, reading in readings.items()},
        )

    def _cut(self, reading: Reading) -> Finding:
        lost = " ".join(reading.lost.split())
        shown = shortened(lost, _SHOWN_CHARACTERS)
        message = (
            f"its caption is {reading.tokens} tokens long, {reading.limit} are read: never learned "
            f'from "{shown}"; shorten it, with what matters in front'
        )
        return self.finding("warn", reading.tokens, reading.limit, message, lost=lost)

    def _uncounted(self) -> tuple[Finding, ...]:
        message = (
            "whether captions are longer than the base model reads was not counted: "
            "its tokenizer was not at hand"
        )
        return (self.finding("info", 0, 0, message),)
