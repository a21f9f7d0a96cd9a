"""The trigger word: is it the same everywhere, and is it a word of its own?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.reading import CaptionReader
from studio.curation.trigger import holds, longer_words, misspellings, spellings
from studio.curation.view import View

_RARE = 0.8  # of the vocabulary: behind it stand words that a base model has hardly seen


class CaptionTrigger(SetCheck):
    """Says what will be trained where captions do not agree on the trigger.

    Score: captions concerned, or tokens of the trigger. Without ``reader`` the word itself is not
    judged.
    """

    name = "caption_trigger"

    def __init__(self, trigger: str, max_tokens: int, reader: CaptionReader | None) -> None:
        self.trigger = trigger
        self.max_tokens = max_tokens
        self.reader = reader

    def examine(self, views: Sequence[View]) -> SetFindings:
        captioned = [view for view in views if view.caption]
        if not self.trigger or not captioned:
            return SetFindings({})
        return SetFindings(
            dict(self._of_pictures(captioned)),
            (*self._of_captions([view.caption for view in captioned]), *self._of_word()),
        )

    def _of_pictures(self, views: Sequence[View]) -> Iterator[tuple[str, Finding]]:
        slips = misspellings((view.caption for view in views), self.trigger)
        wrong = {word for word in slips if not self._is_word(word)}
        for view in views:
            found = sorted(wrong & set(misspellings([view.caption], self.trigger)))
            longer = sorted(longer_words(view.caption, self.trigger))
            if found:
                yield view.name, self._misspelled(found[0])
            elif longer:
                yield view.name, self._part_of(longer[0])

    def _misspelled(self, word: str) -> Finding:
        message = (
            f'"{word}" in its caption looks like the trigger "{self.trigger}" misspelled; as it is '
            "it is learned as another word"
        )
        return self.finding("warn", 1, 0, message, word=word)

    def _part_of(self, word: str) -> Finding:
        message = (
            f'the trigger "{self.trigger}" stands in its caption only as a part of "{word}", so it '
            "is not put in front; choose a trigger that is no part of another word"
        )
        return self.finding("warn", 1, 0, message, word=word)

    def _of_captions(self, captions: Sequence[str]) -> Iterator[Finding]:
        lacking = [caption for caption in captions if not holds(caption, self.trigger)]
        if 0 < len(lacking) < len(captions):
            message = (
                f'the trigger "{self.trigger}" stands in {len(captions) - len(lacking)} of '
                f"{len(captions)} captions and is put in front of the other {len(lacking)}: "
                f'"{self.trigger}, {lacking[0]}"'
            )
            yield self.finding("info", len(lacking), 0, message)
        written = {s for caption in captions for s in spellings(caption, self.trigger)}
        if others := sorted(written - {self.trigger}):
            listed = ", ".join(f'"{spelling}"' for spelling in others)
            message = f'captions have the trigger as {listed}; it is trained as "{self.trigger}"'
            yield self.finding("info", len(others), 0, message, spellings=others)

    def _of_word(self) -> Iterator[Finding]:
        if self.reader is None:
            return
        pieces = [piece.text for piece in self.reader.pieces(self.trigger)]
        if len(pieces) > self.max_tokens:
            message = (
                f'the trigger "{self.trigger}" is read as {len(pieces)} tokens '
                f"({' '.join(pieces)}), which every caption spends; a shorter word learns as well"
            )
            yield self.finding("info", len(pieces), self.max_tokens, message, tokens=pieces)
        elif all(self._is_common(word) for word in self.trigger.split()):
            message = (
                f'the trigger "{self.trigger}" is a word that the base model knows, so what is '
                "learned mixes with what it meant; a rare or invented word starts clean"
            )
            yield self.finding("info", 1, 0, message)

    def _is_word(self, word: str) -> bool:
        return self.reader is not None and len(self.reader.pieces(word)) == 1

    def _is_common(self, word: str) -> bool:
        pieces = self.reader.pieces(word) if self.reader is not None else ()
        return len(pieces) == 1 and pieces[0].rarity < _RARE
