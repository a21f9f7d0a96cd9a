"""The pictures that a recipe may be about: sets of the workplace, and those that come along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.dashboard.here import here
from studio.workplace.picture_sets import PictureSets
from studio.workplace.sample_sets import sample_sets

Offered = Mapping[str, Mapping[str, Any]]
"""A recipe's ``dataset`` section for each."""


def offered_sets() -> Offered:
    """By name; of a sample set that was added as one, the user's decisions count."""
    sets = PictureSets(here().workplace)
    own = {name: sets.get(name).dataset() for name in sets.names()}
    known = {dataset["source"] for dataset in own.values()}
    samples = {
        f"{sample.name} (sample)": _dataset(str(sample.folder), sample.trigger)
        for sample in sample_sets()
        if str(sample.folder) not in known
    }
    return own | samples


def set_of(dataset: Any, offered: Offered) -> str | None:
    """The set that a recipe's pictures are from."""
    source = dataset.get("source") if isinstance(dataset, Mapping) else None
    return next((name for name, each in offered.items() if each["source"] == source), None)


def kept_of(dataset: Any) -> int:
    """How many pictures are kept of the set that it names; 0 where no judged set is like that."""
    sets = PictureSets(here().workplace)
    name = set_of(dataset, {name: sets.get(name).dataset() for name in sets.names()})
    judged = sets.judgement(name) if name else None
    return len(judged.curated.kept) if judged else 0


def _dataset(source: str, trigger: str) -> dict[str, Any]:
    return {"source": source, **({"trigger": trigger} if trigger else {})}
