"""The gate between curation and training."""

from __future__ import annotations

from studio.curation.manifest import CuratedSet
from studio.curation.summary import drop_reasons
from studio.errors import DatasetError

_SHOWN = 3


def require_trainable(curated: CuratedSet) -> None:
    """Let a set pass that can be trained on: exactly those whose verdict says so.

    Raises:
        DatasetError: a finding on the set blocks it, or no picture was kept.
    """
    if curated.ready:
        return
    blocking = [f for f in curated.findings if f.severity == "block"]
    reasons = list(drop_reasons(curated).items())[:_SHOWN]
    listed = ", ".join(f"{count} {check}" for check, count in reasons)
    counts = (
        f"{len(curated.pictures)} pictures found, {len(curated.dropped)} dropped"
        f"{f' ({listed})' if listed else ''}, {len(curated.kept)} left"
    )
    why = blocking[0].message if blocking else "no picture can be used"
    raise DatasetError(f"{curated.title}: {why}: {counts}; `studio curate` shows each reason")
