"""The interface of a check: one small file with a score, a threshold, evidence and a severity.

A check is made for one curation, with its limits, and asked in two steps:

1. `Check.measure`, in a worker process, while the decoded picture is in memory: any numbers it
   wants of the pixels. They come back to it as ``view.measurements[name]``.
2. ``examine``, in the main thread, once all pictures have been measured: one picture by itself
   (`PictureCheck`), or the set (`SetCheck`), whose members are those no earlier check blocked.

So a picture is decoded once, and a set check may weigh hundreds of features of every picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from studio.curation.manifest import Evidence, Finding, Severity
from studio.curation.view import Measurement, Pixels, View


class Check(ABC):
    """What all checks share.

    Attributes:
        name: what findings, reports, manifests and the recipe call it.
        measured_since: goes up with every change of what `measure` returns, so that numbers kept
            from an earlier studio are not taken for today's.
    """

    name: ClassVar[str]
    measured_since: int = 1

    def measure(self, pixels: Pixels) -> Measurement | None:  # noqa: ARG002
        """Numbers of one picture, a one-dimensional array; must not depend on anything else."""
        return None

    def finding(
        self,
        severity: Severity,
        score: float,
        threshold: float,
        message: str,
        **evidence: Evidence,
    ) -> Finding:
        """A `Finding` under this check's name; figures rounded to what a reader can use."""
        score, threshold = round(float(score), 4), round(float(threshold), 4)
        return Finding(self.name, severity, score, threshold, message, evidence)


class PictureCheck(Check):
    """Judges a picture by itself."""

    def score(self, view: View) -> float | None:  # noqa: ARG002
        """The measured value in the check's unit, whether or not it is a fault; None: not measured.

        Reports draw where a picture stands among the others.
        """
        return None

    @abstractmethod
    def examine(self, view: View) -> Finding | None:
        """What is wrong with the picture, if anything; asked of readable ones alone."""


@dataclass(frozen=True)
class SetFindings:
    """What a set check has to say.

    Attributes:
        of_pictures: findings on single pictures, by name.
        of_set: findings on the whole.
        scores: the measured value of every picture, at fault or not, in the check's unit.
    """

    of_pictures: dict[str, Finding]
    of_set: tuple[Finding, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)


class SetCheck(Check):
    """Judges pictures against each other."""

    @abstractmethod
    def examine(self, views: Sequence[View]) -> SetFindings:
        """``views`` are the pictures still kept, sorted by name; possibly none."""
