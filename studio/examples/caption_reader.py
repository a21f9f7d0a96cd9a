"""How much of a caption the base model reads, once trigger, prefix and suffix stand around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.bases.identity import BaseIdentity
from studio.bases.tokenizer_files import TokenizerFiles, read_tokenizer
from studio.curation.reading import Piece, Reading
from studio.curation.settings import DatasetSettings
from studio.curation.trigger import with_trigger
from studio.examples.caption_pipeline import CaptionPipeline

_WORD_AT_END = re.compile(r"\w+$")


@dataclass(frozen=True)
class TokenizedCaptions:
    """Curation's `CaptionReader` for one base model and one recipe's ``dataset:`` section."""

    tokenizer: TokenizerFiles
    captions: CaptionPipeline
    trigger: str

    def read(self, caption: str) -> Reading:
        shown = self.captions.longest(with_trigger(caption, self.trigger), self._length)
        tokens, limit = self.tokenizer.tokens(shown), self.tokenizer.max_tokens
        if len(tokens) <= limit:
            return Reading(len(tokens), limit)
        return Reading(len(tokens), limit, _from_whole_word(shown, tokens[limit].start))

    def pieces(self, word: str) -> list[Piece]:
        return [Piece(word[t.start : t.end], t.rarity) for t in self.tokenizer.tokens(word)]

    def _length(self, text: str) -> int:
        return len(self.tokenizer.tokens(text))


def caption_reader(identity: BaseIdentity, settings: DatasetSettings) -> TokenizedCaptions | None:
    """The reader for a base model; None where its tokenizer's files are missing or broken."""
    tokenizer = read_tokenizer(identity)
    if tokenizer is None:
        return None
    pipeline = CaptionPipeline(settings.caption, trigger=settings.trigger)
    return TokenizedCaptions(tokenizer, pipeline, settings.trigger)


def _from_whole_word(text: str, cut: int) -> str:
    """``text`` from ``cut`` on; a word of which only the beginning stands before it is lost whole."""
    if _WORD_AT_END.search(text[: cut + 1]):
        cut = len(_WORD_AT_END.sub("", text[:cut]))
    return text[cut:]
