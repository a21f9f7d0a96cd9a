"""Aspect-ratio buckets: the few picture sizes that a run trains on, all of about one area. No torch."""

from __future__ import annotations

from dataclasses import dataclass

VAE_FACTOR = 8
"""Pixels a latent in each direction, for every Stable Diffusion VAE."""

UNET_FACTOR = 8
"""The U-Net halves the latents three times; sides divisible by this need no padding on the way up."""


@dataclass(frozen=True, order=True)
class Bucket:
    """One picture size. Sides are whole numbers of the bucket step."""

    width_px: int
    height_px: int

    @property
    def aspect_ratio(self) -> float:
        return self.width_px / self.height_px


def bucket_step_px(resolution_px: int) -> int:
    """Distance between bucket sides, in pixels.

    64 px (8 of the VAE x 8 of the U-Net) is what large bases are trained with. At small resolutions that
    would leave hardly any shape but the square, so the step is at most an eighth of the side; the
    U-Net then rounds inside, which diffusers' upsampling by size allows.
    """
    return max(VAE_FACTOR, min(VAE_FACTOR * UNET_FACTOR, resolution_px // 8 // 8 * 8))


def make_buckets(resolution_px: int, max_aspect_ratio: float) -> list[Bucket]:
    """All buckets, sorted: for each shorter side the longer one that keeps closest to the square's area.

    The square itself is always among them, and none is longer than ``max_aspect_ratio``.
    """
    step = bucket_step_px(resolution_px)
    buckets = {Bucket(resolution_px, resolution_px)}
    for shorter in range(step, resolution_px, step):
        longer = round(resolution_px**2 / shorter / step) * step
        if longer <= max_aspect_ratio * shorter:
            buckets |= {Bucket(longer, shorter), Bucket(shorter, longer)}
    return sorted(buckets)


def kept_share(width_px: int, height_px: int, bucket: Bucket) -> float:
    """The share of a picture's area that is left after scaling it to cover the bucket and cropping."""
    ratio = width_px / height_px / bucket.aspect_ratio
    return min(ratio, 1 / ratio)


def choose_bucket(width_px: int, height_px: int, buckets: list[Bucket]) -> Bucket:
    """The bucket that crops least of a picture; on a tie the one of larger area, then the first."""
    return max(
        buckets,
        key=lambda b: (
            kept_share(width_px, height_px, b),
            b.width_px * b.height_px,
            -b.width_px,
        ),
    )
