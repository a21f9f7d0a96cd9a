"""All checks, in the order in which they speak. A new check is one file, and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from studio.curation.checks.animated import Animated
from studio.curation.checks.aspect_ratio import AspectRatio
from studio.curation.checks.blank import Blank
from studio.curation.checks.blur import Blur
from studio.curation.checks.caption_duplicate import CaptionDuplicate
from studio.curation.checks.caption_missing import CaptionMissing
from studio.curation.checks.check import Check, PictureCheck, SetCheck
from studio.curation.checks.exact_duplicate import ExactDuplicate
from studio.curation.checks.near_duplicate import NearDuplicate
from studio.curation.checks.set_size import SetSize
from studio.curation.checks.too_small import TooSmall
from studio.curation.checks.unreadable import Unreadable
from studio.curation.settings import DatasetSettings


@dataclass(frozen=True)
class Checks:
    """The checks of one curation. Set checks see what the ones before them left."""

    unreadable: PictureCheck
    of_picture: tuple[PictureCheck, ...]
    of_set: tuple[SetCheck, ...]

    @property
    def all(self) -> tuple[Check, ...]:
        return (*self.of_picture, *self.of_set)


def checks_for(settings: DatasetSettings, resolution_px: int) -> Checks:
    """Every check, with its limits from the settings."""
    limits = settings.curation
    return Checks(
        unreadable=Unreadable(),
        of_picture=(
            TooSmall(resolution_px, limits.min_side_px, settings.max_aspect_ratio),
            Blank(limits.blank_entropy_bits),
            AspectRatio(limits.max_crop_share, settings.max_aspect_ratio),
            Animated(),
            CaptionMissing(),
        ),
        of_set=(
            ExactDuplicate(),
            NearDuplicate(limits.near_duplicate_distance),
            Blur(limits.blur_edge_px),
            CaptionDuplicate(),
            SetSize(limits.min_pictures, limits.advised_pictures),
        ),
    )
