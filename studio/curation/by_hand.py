"""The user's own word on single pictures: ``curation.keep`` and ``curation.drop``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from studio.curation.manifest import Finding
from studio.curation.settings import CurationSettings
from studio.errors import DatasetError


@dataclass(frozen=True)
class ByHand:
    """Names that the user decided on."""

    keep: frozenset[str]
    drop: frozenset[str]

    def findings(self, name: str) -> tuple[Finding, ...]:
        """The decision as a remark, so that the manifest says whose it was."""
        if name in self.keep:
            return (Finding("kept_by_hand", "info", 1, 0, "kept by hand"),)
        if name in self.drop:
            return (Finding("dropped_by_hand", "info", 1, 0, "dropped by hand"),)
        return ()


def decisions(settings: CurationSettings, names: Sequence[str]) -> ByHand:
    """The user's decisions, checked against what is there.

    Raises:
        DatasetError: a name is in no picture's place, or in both lists.
    """
    both = sorted(set(settings.keep) & set(settings.drop))
    if both:
        raise DatasetError(f"{both[0]} is in both curation.keep and curation.drop; choose one")
    known = set(names)
    for field in ("keep", "drop"):
        unknown = sorted(set(getattr(settings, field)) - known)
        if unknown:
            raise DatasetError(_unknown(field, unknown, names))
    return ByHand(frozenset(settings.keep), frozenset(settings.drop))


def _unknown(field: str, unknown: list[str], names: Sequence[str]) -> str:
    near = difflib.get_close_matches(unknown[0], names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "give names as they stand below the folder"
    return f"curation.{field} names pictures that are not there: {', '.join(unknown)}; {hint}"
