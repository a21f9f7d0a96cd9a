"""What the checks see of a picture: each file is decoded once, and little of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.curation.buckets import training_scale
from studio.curation.file_facts import FileFacts
from studio.curation.manifest import CaptionSource

THUMBNAIL_PX = 256
Measurement = NDArray[np.float32]


@dataclass(frozen=True)
class Pixels:
    """A picture while it is in memory, for the checks' `measure`.

    Attributes:
        native: mode RGB, upright, at the size of the file.
        resolution_px: side of the training bucket's square equivalent.
        facts: what the file says of itself.
    """

    native: Image.Image
    resolution_px: int
    facts: FileFacts = field(default_factory=FileFacts)

    @cached_property
    def gray(self) -> NDArray[np.uint8]:
        """(height, width), brightness at the size of the file."""
        return np.asarray(self.native.convert("L"))

    @cached_property
    def at_training_size(self) -> Image.Image:
        """Scaled down to the area that training sees. A smaller picture is not enlarged: that would
        hide what is in the file.
        """
        scale = min(1.0, training_scale(self.native.size, self.resolution_px))
        return resized(self.native, scale)

    @cached_property
    def thumbnail(self) -> Image.Image:
        """Longer side at most 256 px. Scaled from the training size where that is at least twice as
        large, which costs a fraction and shows the same.
        """
        trained = self.at_training_size
        source = trained if max(trained.size) >= 2 * THUMBNAIL_PX else self.native
        return resized(source, min(1.0, THUMBNAIL_PX / max(source.size)))


@dataclass(frozen=True)
class View:
    """One picture as the checks see it, small enough to hold thousands at once.

    Attributes:
        name, digest, width_px, height_px, caption, caption_source: as in the manifest's `Picture`.
        raw_caption: the caption as it was found, before whitespace was tidied.
        unreadable: why the file could not be decoded; empty for a good one.
        frames: pictures in the file, of which the first is used.
        facts: what the file says of itself.
        pinned: the user asked to keep it.
        measurements: what each check's `measure` returned, by the check's name.
    """

    name: str
    digest: str
    width_px: int
    height_px: int
    caption: str
    caption_source: CaptionSource
    raw_caption: str = ""
    unreadable: str = ""
    frames: int = 1
    facts: FileFacts = field(default_factory=FileFacts)
    pinned: bool = False
    measurements: Mapping[str, Measurement] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[str, str]:
        """Order by name in which ``cat.png`` comes before ``cat-2.png`` and ``cat (1).png``."""
        return self.name.rpartition(".")[0], self.name


def resized(image: Image.Image, scale: float) -> Image.Image:
    """``image`` with both sides times ``scale``, at least 1 px each."""
    if scale == 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
