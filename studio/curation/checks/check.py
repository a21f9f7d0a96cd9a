"""The interface of a check: one small file with a score, a threshold, evidence and a severity.

A check is made for one curation, with its limits, and asked in two steps:

1. `Check.measure`, in a worker thread, while the decoded picture is in memory: any numbers it
   wants of the pixels. They come back to it as ``view.measurements[name]``.
2. ``examine``, in the main thread, once all pictures have been measured: one picture by itself
   (`PictureCheck`), or the set (`SetCheck`), whose members are those no earlier check blocked.

So a picture is decoded once, and a set check may weigh hundreds of features of every picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from studio.curation.manifest import Finding, Severity
from studio.curation.view import Measurement, Pixels, View


class Check(ABC):
    """What all checks share. ``name`` is what findings, reports and manifests call it."""

    name: ClassVar[str]

    def measure(self, pixels: Pixels) -> Measurement | None:  # noqa: ARG002
        """Numbers of one picture, a one-dimensional array; must not depend on anything else."""
        return None

    def finding(
        self,
        severity: Severity,
        score: float,
        threshold: float,
        message: str,
        **evidence: str | float | int,
    ) -> Finding:
        """A `Finding` under this check's name; figures rounded to what a reader can use."""
        score, threshold = round(float(score), 4), round(float(threshold), 4)
        return Finding(self.name, severity, score, threshold, message, evidence)


class PictureCheck(Check):
    """Judges a picture by itself."""

    @abstractmethod
    def examine(self, view: View) -> Finding | None:
        """What is wrong with the picture, if anything; asked of readable ones alone."""


@dataclass(frozen=True)
class SetFindings:
    """What a set check has to say.

    Attributes:
        of_pictures: findings on single pictures, by name.
        of_set: findings on the whole.
    """

    of_pictures: dict[str, Finding]
    of_set: tuple[Finding, ...] = ()


class SetCheck(Check):
    """Judges pictures against each other."""

    @abstractmethod
    def examine(self, views: Sequence[View]) -> SetFindings:
        """``views`` are the pictures still kept, sorted by name; possibly none."""
