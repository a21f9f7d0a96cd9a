"""How a picture is put into its bucket: which part of it, and which way round. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from studio.curation.settings import DatasetSettings
from studio.examples.buckets import Bucket
from studio.examples.example import Example

if TYPE_CHECKING:
    from studio.training.randomness import RandomStreams

TimeIds = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Framing:
    """A picture scaled to cover its bucket, cut to it, and mirrored or not; never stretched.

    Attributes:
        across, down: share of what stands over that is cut off on the left and on top; 0.5 cuts as
            much on both sides.
        flipped: mirrored left to right.
    """

    across: float = 0.5
    down: float = 0.5
    flipped: bool = False

    @property
    def place(self) -> str:
        """The crop's name, part of the address of what is cached."""
        centred = self.across == self.down == 0.5
        return "centre" if centred else f"{self.across:.9f}-{self.down:.9f}"

    def applied(self, image: Image.Image, bucket: Bucket, method: Image.Resampling) -> Image.Image:
        """The image at the bucket's size."""
        size, centering = (bucket.width_px, bucket.height_px), (self.across, self.down)
        fitted = ImageOps.fit(image, size, method=method, centering=centering)
        return ImageOps.mirror(fitted) if self.flipped else fitted

    def time_ids(self, width_px: int, height_px: int, bucket: Bucket) -> TimeIds:
        """SDXL's size and crop conditioning (Podell et al., 2023, arXiv 2307.01952, section 2.2).

        Original height and width, the crop's top and left in pixels of the scaled picture, target
        height and width. A mirrored picture counts as mirrored before it was cut.
        """
        over_across, over_down = overhang_px(width_px, height_px, bucket)
        left = over_across * (1 - self.across if self.flipped else self.across)
        top = over_down * self.down
        return height_px, width_px, round(top), round(left), bucket.height_px, bucket.width_px


def overhang_px(width_px: int, height_px: int, bucket: Bucket) -> tuple[float, float]:
    """What of a picture stands over, (across, down), once it is scaled to cover the bucket."""
    scale = max(bucket.width_px / width_px, bucket.height_px / height_px)
    return width_px * scale - bucket.width_px, height_px * scale - bucket.height_px


def crops(
    example: Example, bucket: Bucket, settings: DatasetSettings, streams: RandomStreams
) -> list[Framing]:
    """The parts of a picture to learn from, as the recipe asks: one around the centre, or several.

    These are drawn by the picture's digest, whatever its place in the set, one from each of equal
    stretches of what stands over, so that together they show all of the picture. One of the bucket's
    own shape has nothing to choose from.
    """
    across, down = overhang_px(example.width_px, example.height_px, bucket)
    if settings.crop == "centre" or max(across, down) < 1:
        return [Framing()]
    count = min(settings.crops_per_image, int(max(across, down)) + 1)
    stream = f"crop/{example.digest}"
    shares = [(part + streams.uniform(stream, part)) / count for part in range(count)]
    return [Framing(across=s) if across > down else Framing(down=s) for s in shares]
