"""What a trainer learns from: a picture, its text, its place in a bucket. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.curation.manifest import CuratedSet


@dataclass(frozen=True)
class Example:
    """One picture to learn from.

    Attributes:
        path: the picture file; only ever read.
        digest: SHA-256 of its bytes, the key of every cache.
        width_px, height_px: its size after EXIF orientation.
        caption: the full text to train with.
        weight: factor on its loss, 1 for ordinary examples.
    """

    path: Path
    digest: str
    width_px: int
    height_px: int
    caption: str
    weight: float = 1.0


def default_examples(curated: CuratedSet, trigger: str) -> Sequence[Example]:
    """Every kept picture with its caption, the trigger in front where it is not in it already."""
    return [
        Example(
            path=curated.path_of(p),
            digest=p.digest,
            width_px=p.width_px,
            height_px=p.height_px,
            caption=with_trigger(p.caption, trigger),
        )
        for p in curated.kept
    ]


def with_trigger(caption: str, trigger: str) -> str:
    """``trigger, caption``; a caption that holds the trigger already gets its spelling and no more.

    Capitals are nothing to a base's own words, but a word that it has yet to learn is known in one
    spelling only. Of a caption of several lines each is one of its own.
    """
    return "\n".join(_line_with_trigger(line, trigger) for line in caption.split("\n"))


def _line_with_trigger(line: str, trigger: str) -> str:
    if not trigger:
        return line
    in_any_spelling = re.compile(re.escape(trigger), re.IGNORECASE)
    if in_any_spelling.search(line):
        return in_any_spelling.sub(lambda _: trigger, line)
    return f"{trigger}, {line}" if line else trigger
