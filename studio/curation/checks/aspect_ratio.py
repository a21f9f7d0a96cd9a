"""Pictures so long that a bucket would cut off a good part of them."""

from __future__ import annotations

from studio.curation.buckets import bucket_size, crop_share
from studio.curation.checks.check import PictureCheck
from studio.curation.checks.crop import crop_of
from studio.curation.manifest import Finding
from studio.curation.view import View


class AspectRatio(PictureCheck):
    """Score: share of the area that is cut off, 0 to 1."""

    name = "aspect_ratio"

    def __init__(self, max_crop_share: float, max_aspect_ratio: float) -> None:
        self.max_crop_share = max_crop_share
        self.max_aspect_ratio = max_aspect_ratio

    def score(self, view: View) -> float:
        return crop_share((view.width_px, view.height_px), self.max_aspect_ratio)

    def examine(self, view: View) -> Finding | None:
        share = self.score(view)
        if share <= self.max_crop_share:
            return None
        message = (
            f"{view.width_px} x {view.height_px} px: {share:.0%} is cut off in training; crop it "
            "yourself or raise dataset.max_aspect_ratio"
        )
        crop = crop_of(self._left_over(view), (view.width_px, view.height_px))
        return self.finding("warn", share, self.max_crop_share, message, crop=crop)

    def _left_over(self, view: View) -> tuple[float, float, float, float]:
        """The middle part that training sees: left, top, width, height."""
        size = (view.width_px, view.height_px)
        bucket = bucket_size(size, 1, self.max_aspect_ratio)
        scale = min(size[0] / bucket[0], size[1] / bucket[1])
        width, height = bucket[0] * scale, bucket[1] * scale
        return (size[0] - width) / 2, (size[1] - height) / 2, width, height
