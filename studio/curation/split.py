"""Pictures held out from training, to measure with."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from studio.curation.manifest import CuratedSet, Picture

# Below this, every picture is worth more in training than as a measure.
MIN_PICTURES = 5


def split(curated: CuratedSet, share: float, seed: int) -> tuple[CuratedSet, CuratedSet]:
    """The training part, and the held-out part with about ``share`` of the kept pictures.

    Which ones depends on the pictures' digests and the seed alone, not on names or order, and
    hardly on which other pictures there are: each has a place in line by its own hash. Duplicates
    stay on one side, so that what was learned by heart is not taken for understood. With a share
    above 0 and at least 5 pictures, at least one is held out where duplicates allow; training is
    never left empty. Dropped pictures stay in the training part's record.
    """
    held_out: set[str] = set()
    count = _count(len(curated.kept), share)
    for unit in sorted(_units(curated), key=lambda u: _place(u, seed)):
        if len(held_out) + len(unit) <= count:
            held_out |= {p.name for p in unit}
    training = tuple(p for p in curated.pictures if p.name not in held_out)
    measuring = tuple(p for p in curated.pictures if p.name in held_out)
    return replace(curated, pictures=training), replace(curated, pictures=measuring)


def _count(kept: int, share: float) -> int:
    if share <= 0 or kept < MIN_PICTURES:
        return 0
    return min(max(1, round(kept * share)), kept - 1)


def _units(curated: CuratedSet) -> list[list[Picture]]:
    """Kept pictures in groups that must not be divided; most are alone."""
    group_of = {name: group[0] for group in curated.duplicate_groups for name in group}
    units: dict[str, list[Picture]] = {}
    for picture in curated.kept:
        units.setdefault(group_of.get(picture.name, picture.name), []).append(picture)
    return list(units.values())


def _place(unit: list[Picture], seed: int) -> str:
    digest = min(p.digest for p in unit)
    return hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()
