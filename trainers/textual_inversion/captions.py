"""The texts that new words are learned from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from studio.examples.example import with_trigger
from studio.training.randomness import RandomStreams
from trainers.textual_inversion.templates import FILLER


def drawn_caption(
    templates: Sequence[str], name: str, streams: RandomStreams, address: tuple[int, int]
) -> str:
    """One template, drawn for a showing of a picture, with the new words in it.

    Args:
        address: (view, item) of the showing.
    """
    drawn = streams.integer(0, len(templates), "template", *address)
    return templates[drawn].replace(FILLER, name)


def with_words(caption: str, words: Sequence[str]) -> str:
    """A caption that holds every new word, in the spelling that the tokenizer knows it by.

    New words hold no backslash, so they may stand in a replacement as they are.
    """
    for word in reversed(words):
        caption = with_trigger(caption, word)
        caption = re.sub(re.escape(word), word, caption, flags=re.IGNORECASE)
    return caption
