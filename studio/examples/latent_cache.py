"""Pictures, and the frames of clips, through the VAE, once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.examples.buckets import Bucket
from studio.examples.example import Example
from studio.examples.framing import Framing
from studio.examples.preparation import pixel_values
from studio.examples.tensor_store import TensorStore, module_digest

_SCALING, _VERSION = "lanczos-cover", 1


@dataclass(frozen=True)
class LatentMoments:
    """What the VAE says of a picture: mean and std of its posterior, each (4, height/8, width/8); of a
    clip with frames before the channels.

    Both are kept, not only the mean: the U-Net of every base was trained on samples of the posterior,
    and a sample drawn anew at each view costs one more tensor in the cache and nothing in time.
    """

    mean: Tensor
    std: Tensor

    def latents(self, noise: Tensor, scaling_factor: float) -> Tensor:
        """A sample of the posterior as the U-Net reads it."""
        return (self.mean + self.std * noise) * scaling_factor


class LatentCache:
    """Moments by (picture, bucket, framing, VAE), in a folder; what is missing is encoded."""

    def __init__(self, base: BaseModel, folder: Path) -> None:
        self._vae = base.vae
        self._vae_digest = module_digest(base.vae)
        self._store = TensorStore(folder)

    def moments(self, example: Example, bucket: Bucket, framing: Framing) -> LatentMoments:
        """From the cache, or encoded and kept; fp32 on the CPU.

        Raises:
            DatasetError: the picture cannot be read.
        """
        key = self._key(example, bucket, framing)
        tensors = self._store.load(key)
        if tensors is None:
            tensors = self._encode(pixel_values(example.path, bucket, framing))
            self._store.save(key, tensors)
        return LatentMoments(tensors["mean"], tensors["std"])

    def moments_of_frames(
        self, clip: Example, frames: Sequence[Path], bucket: Bucket, framing: Framing
    ) -> LatentMoments:
        """As `moments`, of all frames of a clip, (frames, 4, height/8, width/8).

        Args:
            clip: its digest tells its frames from any other clip's.

        Raises:
            DatasetError: a frame cannot be read.
        """
        parts = ("clip", address(clip, bucket, framing), self._vae_digest)
        key = hashlib.sha256("/".join(parts).encode()).hexdigest()
        tensors = self._store.load(key)
        if tensors is None:
            each = [self._encode(pixel_values(frame, bucket, framing)) for frame in frames]
            tensors = {name: torch.stack([one[name] for one in each]) for name in each[0]}
            self._store.save(key, tensors)
        return LatentMoments(tensors["mean"], tensors["std"])

    @torch.no_grad()
    def _encode(self, pixels: Tensor) -> dict[str, Tensor]:
        # One at a time: kernels are chosen by batch size, and a cache must not depend on company.
        single = pixels[None].to(self._vae.device, self._vae.dtype)
        posterior = self._vae.encode(single).latent_dist
        return {
            "mean": posterior.mean[0].float().cpu().contiguous(),
            "std": posterior.std[0].float().cpu().contiguous(),
        }

    def _key(self, example: Example, bucket: Bucket, framing: Framing) -> str:
        where = f"{address(example, bucket, framing)}/{self._vae_digest}"
        return hashlib.sha256(where.encode()).hexdigest()


def address(example: Example, bucket: Bucket, framing: Framing) -> str:
    """What tells one way of showing an example from any other, as far as its pixels go."""
    preparation = f"{_SCALING}-{framing.place}-{_VERSION}"
    size = f"{bucket.width_px}x{bucket.height_px}"
    side = "flipped" if framing.flipped else "as-is"
    return "/".join((preparation, example.digest, size, side))
