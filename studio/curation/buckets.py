"""What bucketing does to a picture's shape: how much is cut off, how far it is scaled.

A bucket has the area of ``resolution_px`` squared and an aspect ratio between ``1 / limit`` and
``limit``; a picture is scaled until it covers its bucket, and what stands over is cut off. Buckets'
steps of a few pixels are left out: no check depends on them.
"""

from __future__ import annotations

import math


def training_scale(size_px: tuple[int, int], resolution_px: int) -> float:
    """Factor that gives a picture the area of ``resolution_px`` squared; above 1 enlarges."""
    return resolution_px / math.sqrt(size_px[0] * size_px[1])


def bucket_size(
    size_px: tuple[int, int], resolution_px: int, max_aspect_ratio: float
) -> tuple[float, float]:
    """Width and height in pixels of the bucket that loses least of the picture."""
    aspect = size_px[0] / size_px[1]
    aspect = min(max(aspect, 1 / max_aspect_ratio), max_aspect_ratio)
    return resolution_px * math.sqrt(aspect), resolution_px / math.sqrt(aspect)


def crop_share(size_px: tuple[int, int], max_aspect_ratio: float) -> float:
    """Share of the picture's area that is cut off, 0 to 1."""
    width, height = bucket_size(size_px, 1, max_aspect_ratio)
    aspect, bucket_aspect = size_px[0] / size_px[1], width / height
    return 1 - min(aspect, bucket_aspect) / max(aspect, bucket_aspect)
