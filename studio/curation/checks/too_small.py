"""Pictures with fewer pixels than training will show."""

from __future__ import annotations

from studio.curation.buckets import bucket_size
from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View

# Buckets come in steps of some pixels; a picture short by that little is not enlarged to speak of.
_TOLERANCE = 0.97


class TooSmall(PictureCheck):
    """Score: the shorter side in pixels.

    Blocks below ``min_side_px`` (half of the resolution unless given), warns where the picture must
    be enlarged to cover its bucket.
    """

    name = "too_small"

    def __init__(
        self, resolution_px: int, min_side_px: int | None, max_aspect_ratio: float
    ) -> None:
        self.resolution_px = resolution_px
        self.min_side_px = resolution_px / 2 if min_side_px is None else min_side_px
        self.max_aspect_ratio = max_aspect_ratio

    def score(self, view: View) -> float:
        return min(view.width_px, view.height_px)

    def examine(self, view: View) -> Finding | None:
        size = (view.width_px, view.height_px)
        shown = f"{size[0]} x {size[1]} px"
        if min(size) < self.min_side_px:
            message = f"is too small: {shown}, at least {self.min_side_px:g} px a side are needed"
            return self.finding("block", min(size), self.min_side_px, message)
        bucket = bucket_size(size, self.resolution_px, self.max_aspect_ratio)
        enlargement = max(bucket[0] / size[0], bucket[1] / size[1])
        if enlargement * _TOLERANCE <= 1:
            return None
        message = f"{shown} are enlarged {enlargement:.1f} times for training; use a larger copy"
        return self.finding("warn", min(size), min(size) * enlargement, message)
