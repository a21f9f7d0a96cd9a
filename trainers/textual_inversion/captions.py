"""The texts that new words are learned from."""

from __future__ import annotations

from collections.abc import Sequence

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
