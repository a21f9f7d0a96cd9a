"""Whether a set is of one material: digital photographs, film, drawings, and what was done to them.

Two materials in one set give an adapter that reproduces neither. The measuring and the judging are
in `studio.curation.material`; here they become findings.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    left out, and a set of two large groups is not trained on before the user has chosen.
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
        strangers = judgement.strangers
        if judgement.evidence < self.min_evidence or not strangers.any():
            return SetFindings({}, scores=scores)
        apart = differences(values, strangers, shipped())
        return SetFindings(
            self._of_pictures(seen, judgement, apart),
            (self._of_set(seen, judgement, apart),),
            scores,
        )

    def _of_pictures(
        self, seen: Sequence[View], judgement: Judgement, apart: list[str]
    ) -> dict[str, Finding]:
        small = judgement.strangers.mean() <= _SMALL_SHARE
        most = GROUPS[judgement.majority].words
        found = {}
        for index in np.flatnonzero(judgement.strangers):
            own = GROUPS[judgement.groups[index]].one
            message = f"looks like {own} among {most}"
            if apart:
                message += f": {' and '.join(apart[:2])}"
            found[seen[index].name] = self.finding(
                "block" if small else "warn",
                judgement.strangeness[index],
                LIMIT,
                message,
                material=judgement.groups[index],
            )
        return found

    def _of_set(self, seen: Sequence[View], judgement: Judgement, apart: list[str]) -> Finding:
        strangers = judgement.strangers
        few, most = int(strangers.sum()), int((~strangers).sum())
        kind = judgement.minority
        what = f"{most} {GROUPS[judgement.majority].words} and {few} {GROUPS[kind].words}"
        message = f"this set is of two materials: {what}; "
        if apart:
            message += f"the {few} show {', '.join(apart)}; "
        small = few / len(seen) <= _SMALL_SHARE
        message += (
            "they are left out: mixed, an adapter reproduces neither"
            if small
            else "an adapter learns neither: train them apart, or drop one group"
        )
        return self.finding(
            "warn" if small else "block",
            judgement.evidence,
            self.min_evidence,
            message,
            majority=_names(seen, ~strangers),
            minority=_names(seen, strangers),
            majority_material=GROUPS[judgement.majority].words,
            minority_material=GROUPS[kind].words,
            differs_by=apart,
        )


def _names(seen: Sequence[View], where: NDArray[np.bool_]) -> list[str]:
    return [view.name for view, chosen in zip(seen, where, strict=True) if chosen]
