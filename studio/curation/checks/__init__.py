"""All checks, in the order in which they speak. A new check is one file, and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from studio.curation.checks.animated import Animated
from studio.curation.checks.aspect_ratio import AspectRatio
from studio.curation.checks.balance import Balance
from studio.curation.checks.blank import Blank
from studio.curation.checks.blur import Blur
from studio.curation.checks.border import Border
from studio.curation.checks.buckets import Buckets
from studio.curation.checks.caption_duplicate import CaptionDuplicate
from studio.curation.checks.caption_encoding import CaptionEncoding
from studio.curation.checks.caption_markup import CaptionMarkup
from studio.curation.checks.caption_missing import CaptionMissing
from studio.curation.checks.caption_names_learned import CaptionNamesLearned
from studio.curation.checks.caption_placeholder import CaptionPlaceholder
from studio.curation.checks.caption_too_long import CaptionTooLong
from studio.curation.checks.caption_trigger import CaptionTrigger
from studio.curation.checks.check import Check, PictureCheck, SetCheck
from studio.curation.checks.clipping import Clipping
from studio.curation.checks.compression import Compression
from studio.curation.checks.content import Content
from studio.curation.checks.exact_duplicate import ExactDuplicate
from studio.curation.checks.exposure import Exposure
from studio.curation.checks.low_information import LowInformation
from studio.curation.checks.material import Material
from studio.curation.checks.near_duplicate import NearDuplicate
from studio.curation.checks.over_smoothed import OverSmoothed
from studio.curation.checks.provenance import Provenance
from studio.curation.checks.set_size import SetSize
from studio.curation.checks.text import Text
from studio.curation.checks.tone import Tone
from studio.curation.checks.too_small import TooSmall
from studio.curation.checks.unreadable import Unreadable
from studio.curation.checks.upscaled import Upscaled
from studio.curation.embedder import Embedder
from studio.curation.reading import CaptionReader
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


def checks_for(
    settings: DatasetSettings,
    resolution_px: int,
    reader: CaptionReader | None = None,
    embedder: Embedder | None = None,
) -> Checks:
    """Every check, with its limits from the settings; ``reader`` is the base model's."""
    limits = settings.curation
    return Checks(
        unreadable=Unreadable(),
        of_picture=(
            TooSmall(resolution_px, limits.min_side_px, settings.max_aspect_ratio),
            Blank(limits.blank_entropy_bits),
            AspectRatio(limits.max_crop_share, settings.max_aspect_ratio),
            Animated(),
            LowInformation(limits.low_information_bits),
            Clipping(limits.max_clipped_share),
            Exposure(limits.darkest_tone, limits.brightest_tone),
            Compression(limits.jpeg_quality_warn, limits.jpeg_quality_block),
            Upscaled(limits.upscaled_detail),
            OverSmoothed(limits.smoothed_texture),
            Border(limits.max_border_share),
            CaptionMissing(),
            CaptionPlaceholder(),
            CaptionEncoding(),
            CaptionMarkup(),
        ),
        of_set=(
            ExactDuplicate(),
            NearDuplicate(limits.near_duplicate_distance),
            Blur(limits.blur_edge_px),
            Material(limits.material_evidence),
            Tone(limits.tone_deviations),
            Content(
                embedder.name if embedder else limits.content_model,
                limits.content_deviations,
                limits.content_similarity,
            ),
            Text(),
            CaptionDuplicate(),
            CaptionTooLong(reader),
            CaptionTrigger(settings.trigger, limits.trigger_max_tokens, reader),
            CaptionNamesLearned(settings.trigger, limits.named_share),
            Buckets(resolution_px, settings.max_aspect_ratio),
            Balance(settings.trigger),
            Provenance(),
            SetSize(limits.min_pictures, limits.advised_pictures, limits.ample_pictures),
        ),
    )
