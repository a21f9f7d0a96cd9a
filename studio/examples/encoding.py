"""Every example encoded before training starts, so that a step touches neither VAE nor picture files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.errors import DatasetError
from studio.examples.buckets import Bucket, choose_bucket, make_buckets
from studio.examples.caption_pipeline import CaptionPipeline
from studio.examples.clips import ClipCache, added_time_ids
from studio.examples.example import Example
from studio.examples.framing import Framing, crops
from studio.examples.latent_cache import LatentCache, LatentMoments
from studio.examples.masks import MaskSource
from studio.examples.preparation import mask_values
from studio.examples.text_cache import TextCache
from studio.training.randomness import RandomStreams

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass(frozen=True)
class Rendition:
    """One way in which a picture or clip is shown: one crop of it, mirrored or not.

    Attributes:
        framing: which.
        moments: its latents.
        time_ids: (6,) SDXL's size and crop conditioning, fp32; see `Framing.time_ids`. Of a clip (3,);
            see `studio.examples.clips.added_time_ids`.
        mask: (1, height/8, width/8) in [0, 1]; None where the recipe uses none.
        conditioning: of the picture that a clip begins with, a batch of one; None where text is read.
    """

    framing: Framing
    moments: LatentMoments
    time_ids: Tensor
    mask: Tensor | None = None
    conditioning: Conditioning | None = None


@dataclass(frozen=True)
class EncodedExamples:
    """Examples with all that their batches are made of, in memory, on the CPU.

    Attributes:
        examples: as the trainer gave them; an index into them is an *item*.
        buckets: each example's bucket.
        renditions: each example's crops, as they are and, where the recipe mirrors, mirrored.
        conditionings: by caption, the empty one included, each a batch of one; None where text is
            encoded in every step: the trainer changes how, or captions vary too much to be kept; and
            where it is not read: clips have theirs in their renditions.
        captions: what captions become at each showing.
        flip_probability: chance of a mirrored picture.
        scaling_factor: the VAE's.
    """

    examples: Sequence[Example]
    buckets: Sequence[Bucket]
    renditions: Sequence[Sequence[Rendition]]
    conditionings: dict[str, Conditioning] | None
    captions: CaptionPipeline
    flip_probability: float
    scaling_factor: float

    @property
    def digest(self) -> str:
        """SHA-256 over what a resumed run must find, in order: pictures, captions, weights, buckets,
        crops and masks. What captions become is the recipe's, which has a digest of its own.
        """
        digest = hashlib.sha256()
        for item, (example, bucket) in enumerate(zip(self.examples, self.buckets, strict=True)):
            size = f"{bucket.width_px}x{bucket.height_px}"
            digest.update(f"{example.digest} {size} {example.weight} ".encode())
            digest.update(f"{example.caption}\n".encode())
            for rendition in self.renditions[item]:
                digest.update(f"{rendition.framing.place}\n".encode())
                if rendition.mask is not None:
                    digest.update(rendition.mask.numpy().tobytes())
        return digest.hexdigest()


def encode_examples(
    examples: Sequence[Example],
    base: BaseModel,
    settings: DatasetSettings,
    cache_folder: Path,
    *,
    encode_text: bool,
    seed: int = 0,
    progress: Progress | None = None,
) -> EncodedExamples:
    """Put every example into its bucket and through VAE and text encoders, by way of the caches.

    Text is encoded here where each caption becomes one text or a few: as it is, by its lines and
    wildcards (`CaptionPipeline.variants`). Where one becomes too many, as shuffled and dropped tags
    do, batches carry captions only and all text is encoded in the step.

    Args:
        cache_folder: holds ``latents/`` and ``text/``; may be shared by any number of runs.
        encode_text: False where the trainer encodes text in every step.
        seed: the run's, from which random crops are drawn.

    Raises:
        DatasetError: there is no example, or a picture or mask cannot be read.
    """
    if not examples:
        raise DatasetError(f"{settings.source} has no picture to train on; see curation's report")
    available = make_buckets(settings.resolution or base.resolution_px, settings.max_aspect_ratio)
    buckets = [choose_bucket(e.width_px, e.height_px, available) for e in examples]
    encoder = _ClipEncoder if settings.clip.are_read else _PictureEncoder
    pictures = encoder(base, settings, cache_folder, RandomStreams(seed))
    captions = CaptionPipeline(settings.caption, settings.caption_dropout, settings.trigger)
    renditions: list[list[Rendition]] = []
    for done, (example, bucket) in enumerate(zip(examples, buckets, strict=True), start=1):
        renditions.append(pictures.renditions(example, bucket))
        if progress is not None:
            progress(done, len(examples))
    return EncodedExamples(
        examples=examples,
        buckets=buckets,
        renditions=renditions,
        conditionings=_conditionings(examples, captions, base, cache_folder)
        if encode_text and not settings.clip.are_read
        else None,
        captions=captions,
        flip_probability=settings.flip_probability,
        scaling_factor=base.vae.config["scaling_factor"],
    )


def prior_settings(settings: DatasetSettings) -> DatasetSettings:
    """How prior examples are encoded: as the set's own, but whole and with their captions as they are,
    for masks, triggers and tags are of the set.
    """
    own = {"caption": CaptionSettings(), "trigger": "", "mask": "none", "mask_folder": ""}
    return settings.model_copy(update=own)


class _PictureEncoder:
    """Pictures and their masks, in every framing that the recipe asks for."""

    def __init__(
        self,
        base: BaseModel,
        settings: DatasetSettings,
        cache_folder: Path,
        streams: RandomStreams,
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._latents = LatentCache(base, cache_folder / "latents")
        self._masks = MaskSource(settings)

    def renditions(self, example: Example, bucket: Bucket) -> list[Rendition]:
        size_px = (example.width_px, example.height_px)
        mask = self._masks.mask(example.path, size_px)
        masked = self._settings.mask != "none"
        return [
            Rendition(
                framing=framing,
                moments=self._latents.moments(example, bucket, framing),
                time_ids=torch.tensor(framing.time_ids(*size_px, bucket), dtype=torch.float32),
                mask=mask_values(mask, bucket, framing) if masked else None,
            )
            for framing in _framings(example, bucket, self._settings, self._streams)
        ]


class _ClipEncoder:
    """Clips, in every framing that the recipe asks for; it is the same for all frames of a clip."""

    def __init__(
        self,
        base: BaseModel,
        settings: DatasetSettings,
        cache_folder: Path,
        streams: RandomStreams,
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._clips = ClipCache(base, cache_folder)

    def renditions(self, example: Example, bucket: Bucket) -> list[Rendition]:
        time_ids = added_time_ids(self._settings.clip)
        return [
            Rendition(
                framing=framing,
                moments=self._clips.moments(example, bucket, framing),
                time_ids=time_ids,
                conditioning=self._clips.conditioning(example, bucket, framing),
            )
            for framing in _framings(example, bucket, self._settings, self._streams)
        ]


def _framings(
    example: Example, bucket: Bucket, settings: DatasetSettings, streams: RandomStreams
) -> list[Framing]:
    """Every crop, and where the recipe mirrors each of them mirrored."""
    framings = crops(example, bucket, settings, streams)
    if settings.flip_probability > 0:
        framings += [replace(framing, flipped=True) for framing in framings]
    return framings


def _conditionings(
    examples: Sequence[Example], captions: CaptionPipeline, base: BaseModel, cache_folder: Path
) -> dict[str, Conditioning] | None:
    texts = {""}
    for example in examples:
        variants = captions.variants(example.caption)
        if variants is None:
            return None
        texts.update(variants)
    cache = TextCache(base, cache_folder / "text")
    return {text: cache.conditioning(text) for text in sorted(texts)}
