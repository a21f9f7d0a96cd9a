"""Clips to learn from: their frames, the numbers that the base is told, the picture they begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.curation.clip_settings import ClipSettings
from studio.curation.clips import frames_of
from studio.errors import DatasetError
from studio.examples.buckets import Bucket
from studio.examples.example import Example
from studio.examples.framing import Framing
from studio.examples.latent_cache import LatentCache, LatentMoments, address
from studio.examples.preparation import pixel_values
from studio.examples.tensor_store import TensorStore, module_digest
from studio.training.randomness import RandomStreams

NOISE_AUG_STRENGTH = 0.02
"""Standard deviation of the noise on the first picture; what diffusers' pipeline adds when drawing."""

_VERSION = 1


def added_time_ids(clip: ClipSettings) -> Tensor:
    """(3,), what the U-Net is told of a clip: frames a second less one, motion, noise on its picture.

    Less one because so the published models were trained.
    """
    return torch.tensor([clip.fps - 1, clip.motion_bucket_id, NOISE_AUG_STRENGTH])


class ClipCache:
    """A clip's latents and conditioning by (clip, bucket, framing, encoders), in a folder."""

    def __init__(self, base: BaseModel, folder: Path) -> None:
        self._base = base
        self._latents = LatentCache(base, folder / "latents")
        self._conditionings = TensorStore(folder / "clips")
        encoders = (base.vae, base.image_encoder)
        self._digests = [module_digest(module) for module in encoders if module is not None]

    def moments(self, example: Example, bucket: Bucket, framing: Framing) -> LatentMoments:
        """Of all frames, (frames, channels, height, width) each; fp32 on the CPU.

        Raises:
            DatasetError: the example is a picture, or a frame cannot be read.
        """
        return self._latents.moments_of_frames(example, frames(example), bucket, framing)

    def conditioning(self, example: Example, bucket: Bucket, framing: Framing) -> Conditioning:
        """Of the first frame, a batch of one; fp32 on the CPU.

        The noise on it is the same at every view: it is too weak to be learned by heart.
        """
        key = self._key(example, bucket, framing)
        tensors = self._conditionings.load(key)
        if tensors is None:
            tensors = self._encode(example, bucket, framing)
            self._conditionings.save(key, tensors)
        return Conditioning(tensors["hidden_states"], image_latents=tensors["image_latents"])

    def _encode(self, example: Example, bucket: Bucket, framing: Framing) -> dict[str, Tensor]:
        pixels = pixel_values(frames(example)[0], bucket, framing)[None]
        # By the clip, whatever the run, which the cache knows nothing of.
        noise = RandomStreams(0).normal(pixels.shape, f"noise_augmentation/{example.digest}", 0)
        architecture = architecture_of(self._base)
        read = architecture.encode_picture(self._base, pixels, NOISE_AUG_STRENGTH * noise)
        on_cpu = read.to(torch.device("cpu"), torch.float32)
        if on_cpu.image_latents is None:
            raise ValueError(f"{type(architecture).__name__} gives a clip's picture no latents")
        return {
            "hidden_states": on_cpu.hidden_states.contiguous(),
            "image_latents": on_cpu.image_latents.contiguous(),
        }

    def _key(self, example: Example, bucket: Bucket, framing: Framing) -> str:
        kind = f"clip-conditioning-{NOISE_AUG_STRENGTH}-{_VERSION}"
        parts = (kind, address(example, bucket, framing), *self._digests)
        return hashlib.sha256("/".join(parts).encode()).hexdigest()


def frames(example: Example) -> Sequence[Path]:
    """The frames of an example that is a clip.

    Raises:
        DatasetError: it is a picture.
    """
    found = frames_of(example.path)
    if not found:
        raise DatasetError(f"{example.path} is a picture, but the base model learns from clips")
    return found
