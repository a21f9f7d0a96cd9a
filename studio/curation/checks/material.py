"""Whether a set is of one material: digital photographs, film, drawings, and what was done to them.

Two materials in one set give an adapter that reproduces neither. The measuring and the judging are
in `studio.curation.material`; here they become findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.material.classifier import shipped
from studio.curation.material.features import described
from studio.curation.material.groups import GROUPS
from studio.curation.material.judgement import FEWEST_PICTURES, LIMIT, Judgement, judged
from studio.curation.material.properties import differences
from studio.curation.view import Measurement, Pixels, View

_SMALL_SHARE = (
    1 / 3
)  # up to this, the strangers are left out; above, only the user knows which he wants


class Material(SetCheck):
    """Score: how unlike the majority's material a picture is, 0 to 1.

    Speaks of two materials only where the evidence for them passes the limit: a natural logarithm of
    how many times likelier the set is as a mixture than as one material. Then a small minority is
    left out, but for those that the user keeps, and a set of two large groups is not trained on before
    the user has chosen.
    """

    name = "material"

    def __init__(self, min_evidence: float) -> None:
        self.min_evidence = min_evidence

    def measure(self, pixels: Pixels) -> Measurement | None:
        """The features, in the classifier's order; nothing for a picture too small to tell."""
        found = described(np.asarray(pixels.native))
        if found is None:
            return None
        return np.array([found[name] for name in shipped().features], np.float32)

    def examine(self, views: Sequence[View]) -> SetFindings:
        seen = [view for view in views if self.name in view.measurements]
        if len(seen) < FEWEST_PICTURES:
            return SetFindings({})
        values = np.stack([view.measurements[self.name] for view in seen])
        judgement = judged(values)
        scores = {v.name: float(s) for v, s in zip(seen, judgement.strangeness, strict=True)}
        strangers = judgement.strangers(self.min_evidence)
        if not strangers.any():
            return SetFindings({}, scores=scores)
        told = _Told(seen, judgement, strangers, differences(values, strangers, shipped()))
        return SetFindings(self._of_pictures(told), (self._of_set(told),), scores)

    def _of_pictures(self, told: _Told) -> dict[str, Finding]:
        most = GROUPS[told.judgement.majority].words
        found = {}
        for index in map(int, np.flatnonzero(told.strangers)):
            group = told.judgement.groups[index]
            message = f"looks like {GROUPS[group].one} among {most}"
            if told.apart:
                message += f": {' and '.join(told.apart[:2])}"
            found[told.seen[index].name] = self.finding(
                "block" if told.are_few else "warn",
                told.judgement.strangeness[index],
                LIMIT,
                message,
                material=group,
            )
        return found

    def _of_set(self, told: _Told) -> Finding:
        few, most = int(told.strangers.sum()), int((~told.strangers).sum())
        ours, theirs = GROUPS[told.judgement.majority].words, GROUPS[told.minority].words
        message = f"this set is of two materials: {most} {ours} and {few} {theirs}; "
        if told.apart:
            message += f"the {few} show {', '.join(told.apart)}; "
        message += (
            f"{told.what_becomes_of_them}: mixed, an adapter reproduces neither"
            if told.are_few
            else "an adapter learns neither: train them apart, or drop one group"
        )
        return self.finding(
            "warn" if told.are_few else "block",
            told.judgement.evidence[told.minority],
            self.min_evidence,
            message,
            majority=told.names(~told.strangers),
            minority=told.names(told.strangers),
            majority_material=ours,
            minority_material=theirs,
            differs_by=told.apart,
        )


@dataclass(frozen=True)
class _Told:
    """A judgement that speaks of strangers, with what is said of them."""

    seen: Sequence[View]
    judgement: Judgement
    strangers: NDArray[np.bool_]
    apart: list[str]

    @property
    def are_few(self) -> bool:
        return bool(self.strangers.mean() <= _SMALL_SHARE)

    @property
    def minority(self) -> str:
        """The group of most strangers."""
        groups = [self.judgement.groups[index] for index in np.flatnonzero(self.strangers)]
        return max(sorted(set(groups)), key=groups.count)

    @property
    def what_becomes_of_them(self) -> str:
        """Of few strangers: the user's own word stands above ours."""
        pinned = [
            view.pinned
            for view, is_stranger in zip(self.seen, self.strangers, strict=True)
            if is_stranger
        ]
        kept = sum(pinned)
        left_out = len(pinned) - kept
        if not kept:
            return "they are left out"
        if not left_out:
            return "they are kept by your word"
        return f"{left_out} of them left out, {kept} kept by your word"

    def names(self, where: NDArray[np.bool_]) -> list[str]:
        return [view.name for view, chosen in zip(self.seen, where, strict=True) if chosen]
