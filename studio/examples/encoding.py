"""Every example encoded before training starts, so that a step touches neither VAE nor picture files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError
from studio.examples.buckets import Bucket, choose_bucket, make_buckets
from studio.examples.example import Example
from studio.examples.latent_cache import LatentCache, LatentMoments
from studio.examples.text_cache import TextCache

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass(frozen=True)
class EncodedExamples:
    """Examples with all that their batches are made of, in memory, on the CPU.

    Attributes:
        examples: as the trainer gave them; an index into them is an *item*.
        buckets: each example's bucket.
        moments: each example's latents as they are.
        flipped_moments: those of the mirrored pictures; empty where none are mirrored.
        hidden_states: (tokens, width) by caption, the empty one included; None where the trainer
            encodes text in every step.
        flip_probability, caption_dropout: chances of a mirrored picture and of an empty caption.
        scaling_factor: the VAE's.
    """

    examples: Sequence[Example]
    buckets: Sequence[Bucket]
    moments: Sequence[LatentMoments]
    flipped_moments: Sequence[LatentMoments]
    hidden_states: dict[str, Tensor] | None
    flip_probability: float
    caption_dropout: float
    scaling_factor: float

    @property
    def digest(self) -> str:
        """SHA-256 over pictures, captions, weights and buckets in order: what a resumed run must find."""
        digest = hashlib.sha256()
        for example, bucket in zip(self.examples, self.buckets, strict=True):
            size = f"{bucket.width_px}x{bucket.height_px}"
            digest.update(f"{example.digest} {size} {example.weight} ".encode())
            digest.update(f"{example.caption}\n".encode())
        return digest.hexdigest()


def encode_examples(
    examples: Sequence[Example],
    base: BaseModel,
    settings: DatasetSettings,
    cache_folder: Path,
    *,
    encode_text: bool,
    progress: Progress | None = None,
) -> EncodedExamples:
    """Put every example into its bucket and through VAE and text encoder, by way of the caches.

    Args:
        cache_folder: holds ``latents/`` and ``text/``; may be shared by any number of runs.
        encode_text: False where the trainer encodes text in every step.

    Raises:
        DatasetError: there is no example, or a picture cannot be read.
    """
    if not examples:
        raise DatasetError(f"{settings.source} has no picture to train on; see curation's report")
    available = make_buckets(settings.resolution or base.resolution_px, settings.max_aspect_ratio)
    buckets = [choose_bucket(e.width_px, e.height_px, available) for e in examples]
    latent_cache = LatentCache(base, cache_folder / "latents")
    moments: list[LatentMoments] = []
    flipped_moments: list[LatentMoments] = []
    for done, (example, bucket) in enumerate(zip(examples, buckets, strict=True), start=1):
        moments.append(latent_cache.moments(example, bucket, flipped=False))
        if settings.flip_probability > 0:
            flipped_moments.append(latent_cache.moments(example, bucket, flipped=True))
        if progress is not None:
            progress(done, len(examples))
    return EncodedExamples(
        examples=examples,
        buckets=buckets,
        moments=moments,
        flipped_moments=flipped_moments,
        hidden_states=_encode_captions(examples, base, cache_folder) if encode_text else None,
        flip_probability=settings.flip_probability,
        caption_dropout=settings.caption_dropout,
        scaling_factor=base.vae.config["scaling_factor"],
    )


def _encode_captions(
    examples: Sequence[Example], base: BaseModel, cache_folder: Path
) -> dict[str, Tensor]:
    cache = TextCache(base, cache_folder / "text")
    captions = sorted({"", *(e.caption for e in examples)})
    return {caption: cache.hidden_states(caption) for caption in captions}
