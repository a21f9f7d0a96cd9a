"""What a text encoder reads of a caption. Curation only asks; who knows the base model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """A caption as training would show it: with trigger, prefix and suffix, nothing left out.

    Attributes:
        tokens: how many pieces it is read as, start and end mark aside.
        limit: how many are read at most.
        lost: the words at the end that fall off, from the first that is not read whole.
    """

    tokens: int
    limit: int
    lost: str = ""


@dataclass(frozen=True)
class Piece:
    """A part of a word that the tokenizer knows as one.

    Attributes:
        text: as it stands in the word.
        rarity: its place in the vocabulary, which begins with what is commonest: 0 to 1.
    """

    text: str
    rarity: float


class CaptionReader(Protocol):
    """The base model's tokenizer behind the recipe's caption settings."""

    def read(self, caption: str) -> Reading:
        """How much of ``caption``, the text without trigger, is read."""

    def pieces(self, word: str) -> Sequence[Piece]:
        """What ``word`` is split into."""
