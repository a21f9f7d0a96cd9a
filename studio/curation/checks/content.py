"""What pictures show, as a learned model sees it: strangers to the set, and the same scene again.

Only asked where the recipe names a model. It remarks and never blocks: varied subjects in one
material are a good set, and whether a stranger belongs is the user's to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.checks.neighbours import Neighbours, neighbours_of
from studio.curation.manifest import Finding
from studio.curation.view import View

_FEWEST_PICTURES = 8
_DEVIATIONS_OF_MAD = 1.4826
_LEAST_SPREAD = 0.02  # of cosines; below it a set is so uniform that any difference would stand out


class Content(SetCheck):
    """Score: how far a picture is from the three most like it, in robust deviations of the same
    distance over the set (distance: 1 - cosine of the embeddings).

    Remarks on those beyond the limit; and on pictures so near to another that they show the same
    again, as series of shots do, which counts that subject twice. Of these, the later by name.
    """

    name = "content"

    def __init__(self, model: str, max_deviations: float, max_similarity: float) -> None:
        """``model`` is what findings call it, the recipe's word if it was not at hand; or empty."""
        self.model = model
        self.max_deviations = max_deviations
        self.max_similarity = max_similarity

    def examine(self, views: Sequence[View]) -> SetFindings:
        seen = sorted(
            (view for view in views if self.name in view.measurements),
            key=lambda view: (not view.pinned, view.rank),
        )
        if self.model and views and not seen:
            return SetFindings({}, (self._nobody_looked(),))
        if len(seen) < 2:
            return SetFindings({})
        among = neighbours_of(np.stack([view.measurements[self.name] for view in seen]))
        repeats = self._repeats(seen, among)
        if len(seen) < _FEWEST_PICTURES:
            return SetFindings(repeats)
        deviations = _deviations(among.distances)
        scores = {v.name: float(d) for v, d in zip(seen, deviations, strict=True)}
        return SetFindings(self._strangers(seen, among, deviations) | repeats, (), scores)

    def _strangers(
        self, seen: Sequence[View], among: Neighbours, deviations: NDArray[np.float64]
    ) -> dict[str, Finding]:
        found = {}
        for index in map(int, np.flatnonzero(deviations > self.max_deviations)):
            nearest = seen[among.nearest[index]].name
            message = (
                f"shows something else than the rest of the set: the nearest is {nearest} "
                f"({deviations[index]:.1f} deviations, by {self.model}); leave it out unless the "
                "adapter is to learn it too"
            )
            found[seen[index].name] = self.finding(
                "info", deviations[index], self.max_deviations, message, nearest=nearest
            )
        return found

    def _repeats(self, seen: Sequence[View], among: Neighbours) -> dict[str, Finding]:
        found = {}
        for index in map(int, np.flatnonzero(among.cosines_before > self.max_similarity)):
            first, cosine = seen[among.before[index]].name, among.cosines_before[index]
            message = (
                f"shows much the same as {first} (cosine {cosine:.2f}, by {self.model}): what is "
                "shown twice is learned twice as much"
            )
            found[seen[index].name] = self.finding(
                "info", cosine, self.max_similarity, message, twin=first
            )
        return found

    def _nobody_looked(self) -> Finding:
        message = (
            f"what the pictures show was not looked at: {self.model}, which the recipe names, was "
            "not at hand"
        )
        return self.finding("info", 0, 0, message)


def _deviations(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    away = distances - np.median(distances)
    spread = _DEVIATIONS_OF_MAD * float(np.median(np.abs(away)))
    return np.asarray(away / max(spread, _LEAST_SPREAD))
