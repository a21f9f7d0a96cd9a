"""The gate between curation and training."""

from __future__ import annotations

from studio.curation.manifest import CuratedSet
from studio.curation.settings import DatasetSettings
from studio.curation.summary import drop_reasons
from studio.errors import DatasetError

_SHOWN = 3


def require_trainable(curated: CuratedSet, settings: DatasetSettings) -> None:
    """Let a set pass that can be trained on.

    Raises:
        DatasetError: fewer than ``curation.min_pictures`` were kept, or a check blocks the set.
    """
    kept, least = len(curated.kept), settings.curation.min_pictures
    if kept < least:
        reasons = list(drop_reasons(curated).items())[:_SHOWN]
        listed = ", ".join(f"{count} {check}" for check, count in reasons)
        raise DatasetError(
            f"{curated.source}: {len(curated.pictures)} pictures found, {len(curated.dropped)} "
            f"dropped{f' ({listed})' if listed else ''}, {kept} left, but at least {least} are "
            "needed; add pictures, or see `studio curate` for each reason"
        )
    for finding in curated.findings:
        # Counted above, against the settings at hand rather than those of an older manifest.
        if finding.severity == "block" and finding.check != "set_size":
            raise DatasetError(f"{curated.source}: {finding.message}")
