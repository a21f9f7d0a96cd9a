"""What bucketing does to the set: how much is cut off, what is enlarged, which shapes stand alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import View
from studio.examples.buckets import Bucket, choose_bucket, kept_share, make_buckets

_CUT = 0.1  # of a picture: a head or a foot
_ENLARGED = 1.03
_FEW = 4  # pictures: a usual batch, which is always of one bucket


class _Fit(NamedTuple):
    """How a picture fits its bucket.

    Attributes:
        cut: share of its area that is cut off.
        enlarged: factor by which it is scaled; below 1 it is reduced.
    """

    name: str
    bucket: Bucket
    cut: float
    enlarged: float


class Buckets(SetCheck):
    """Score: share of the picture that its bucket cuts off; of the set: share of pictures of which
    more than a tenth is.
    """

    name = "buckets"

    def __init__(self, resolution_px: int, max_aspect_ratio: float) -> None:
        self.available = make_buckets(resolution_px, max_aspect_ratio)

    def examine(self, views: Sequence[View]) -> SetFindings:
        fits = [self._fit(view) for view in views]
        scores = {fit.name: round(fit.cut, 4) for fit in fits}
        return SetFindings({}, self._remarks(fits), scores)

    def _fit(self, view: View) -> _Fit:
        bucket = choose_bucket(view.width_px, view.height_px, self.available)
        scale = max(bucket.width_px / view.width_px, bucket.height_px / view.height_px)
        cut = 1 - kept_share(view.width_px, view.height_px, bucket)
        return _Fit(view.name, bucket, cut, scale)

    def _remarks(self, fits: Sequence[_Fit]) -> tuple[Finding, ...]:
        cut = [fit for fit in fits if fit.cut > _CUT]
        enlarged = [fit for fit in fits if fit.enlarged > _ENLARGED]
        counts = Counter(fit.bucket for fit in fits)
        few = sorted((n, bucket) for bucket, n in counts.items() if n < _FEW)
        parts = [_cut_words(cut), _enlarged_words(enlarged)]
        parts.append(_few_words(few) if len(counts) > 1 else "")
        if not any(parts):
            return ()
        message = f"{len(fits)} pictures go into {len(counts)} bucket(s): " + "; ".join(
            filter(None, parts)
        )
        buckets = [f"{_shown(bucket)}: {n}" for bucket, n in sorted(counts.items())]
        share = len(cut) / len(fits)
        return (self.finding("info", share, 0, message, buckets=buckets),)


def _cut_words(cut: Sequence[_Fit]) -> str:
    if not cut:
        return ""
    worst = max(cut, key=lambda fit: fit.cut)
    return (
        f"{len(cut)} lose more than {_CUT:.0%} at their edges (most: {worst.name}, {worst.cut:.0%})"
    )


def _enlarged_words(enlarged: Sequence[_Fit]) -> str:
    if not enlarged:
        return ""
    worst = max(enlarged, key=lambda fit: fit.enlarged)
    return f"{len(enlarged)} are enlarged (most: {worst.name}, {worst.enlarged:.1f} times)"


def _few_words(few: Sequence[tuple[int, Bucket]]) -> str:
    if not few:
        return ""
    shown = ", ".join(f"{_shown(bucket)} has {n}" for n, bucket in few[:3])
    return (
        f"{len(few)} shapes have fewer than {_FEW} pictures ({shown}), so that a batch of {_FEW} "
        "repeats them; crop those to a commoner shape"
    )


def _shown(bucket: Bucket) -> str:
    return f"{bucket.width_px} x {bucket.height_px}"
