"""The user's own word on single pictures: ``curation.keep`` and ``curation.drop``."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from studio.curation.check_names import CERTAIN
from studio.curation.manifest import Evidence, Finding
from studio.curation.settings import CurationSettings, DatasetSettings
from studio.curation.view import View
from studio.errors import DatasetError


@dataclass(frozen=True)
class ByHand:
    """Names that the user decided on."""

    keep: frozenset[str]
    drop: frozenset[str]

    def keeps(self, view: View, findings: Iterable[Finding]) -> bool:
        """Whether a picture goes into training: the user's word first, then the checks'."""
        if view.unreadable or view.name in self.drop:
            return False
        return view.name in self.keep or all(f.severity != "block" for f in findings)

    def findings(self, name: str, others: Iterable[Finding]) -> tuple[Finding, ...]:
        """The decision as a remark, so that the manifest says whose it was and against what.

        Args:
            others: what the checks say of the picture.
        """
        if name in self.keep:
            return (_kept([f.check for f in others if f.severity == "block"]),)
        if name in self.drop:
            return (_remark("dropped_by_hand", "dropped by hand"),)
        return ()


def _kept(overruled: list[str]) -> Finding:
    if any(check in CERTAIN for check in overruled):
        return _remark("kept_by_hand", "was to be kept by hand, but there is no picture to keep")
    if not overruled:
        return _remark("kept_by_hand", "kept by hand")
    against = ", ".join(check.replace("_", " ") for check in overruled)
    return _remark("kept_by_hand", f"kept by hand, against: {against}", overrules=overruled)


def _remark(check: str, message: str, **evidence: Evidence) -> Finding:
    return Finding(check, "info", 1, 0, message, {"decided_by": "hand", **evidence})


def decided(
    settings: DatasetSettings, *, keep: Collection[str], drop: Collection[str]
) -> DatasetSettings:
    """The settings with further decisions in their lists. The later word counts: what was to be
    dropped and is now kept leaves the one list for the other.
    """
    before = settings.curation
    lists = {
        "keep": tuple(dict.fromkeys([*(n for n in before.keep if n not in drop), *keep])),
        "drop": tuple(dict.fromkeys([*(n for n in before.drop if n not in keep), *drop])),
    }
    return settings.model_copy(update={"curation": before.model_copy(update=lists)})


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
