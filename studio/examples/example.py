"""What a trainer learns from: a picture, its text, its place in a bucket. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.curation.manifest import CuratedSet
from studio.curation.trigger import with_trigger


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
