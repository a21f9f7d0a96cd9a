"""What a caption comes to, while one writes it."""

from __future__ import annotations

from dataclasses import dataclass

from studio.curation.caption_text import tidy
from studio.curation.reading import CaptionReader
from studio.curation.trigger import holds, misspellings, with_trigger


@dataclass(frozen=True)
class CaptionFacts:
    """Of one text.

    Attributes:
        shown: what training reads, the trigger in its place.
        tokens, limit: how long that is and how much is read; None where nobody can count.
        lost: the words at the end that are never read.
        holds_trigger: whether the text has the trigger in it already.
        slips: words that look like the trigger misspelled.
    """

    shown: str
    tokens: int | None
    limit: int | None
    lost: str
    holds_trigger: bool
    slips: tuple[str, ...]


def caption_facts(text: str, trigger: str, reader: CaptionReader | None) -> CaptionFacts:
    """Count and check a caption as curation would."""
    caption = tidy(text)
    reading = reader.read(caption) if reader else None
    return CaptionFacts(
        shown=with_trigger(caption, trigger),
        tokens=reading.tokens if reading else None,
        limit=reading.limit if reading else None,
        lost=reading.lost if reading else "",
        holds_trigger=bool(trigger) and holds(caption, trigger),
        slips=tuple(misspellings([caption], trigger)),
    )
