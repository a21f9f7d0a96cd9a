"""Pictures so long that a bucket would cut off a good part of them."""

from __future__ import annotations

from studio.curation.buckets import crop_share
from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View


class AspectRatio(PictureCheck):
    """Score: share of the area that is cut off, 0 to 1."""

    name = "aspect_ratio"

    def __init__(self, max_crop_share: float, max_aspect_ratio: float) -> None:
        self.max_crop_share = max_crop_share
        self.max_aspect_ratio = max_aspect_ratio

    def examine(self, view: View) -> Finding | None:
        share = crop_share((view.width_px, view.height_px), self.max_aspect_ratio)
        if share <= self.max_crop_share:
            return None
        message = (
            f"{view.width_px} x {view.height_px} px: {share:.0%} is cut off in training; crop it "
            "yourself or raise dataset.max_aspect_ratio"
        )
        return self.finding("warn", share, self.max_crop_share, message)
