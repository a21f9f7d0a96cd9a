"""From a picture file to what the VAE reads, and from its mask to what the loss reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from studio.curation.decode import open_rgb
from studio.examples.buckets import VAE_FACTOR, Bucket
from studio.examples.framing import Framing

CENTRED = Framing()


def pixel_values(path: Path, bucket: Bucket, framing: Framing = CENTRED) -> Tensor:
    """The picture at the bucket's size: (3, height, width) in [-1, 1], fp32; scaled with Lanczos.

    Raises:
        DatasetError: the file cannot be read as a picture.
    """
    fitted = framing.applied(open_rgb(path), bucket, Image.Resampling.LANCZOS)
    channels_last = torch.from_numpy(np.array(fitted, dtype=np.float32))
    return channels_last.permute(2, 0, 1) / 127.5 - 1


def mask_values(mask: Image.Image | None, bucket: Bucket, framing: Framing = CENTRED) -> Tensor:
    """How much each latent counts: (1, height/8, width/8) in [0, 1], fp32; all of it without a mask.

    The mask goes the way of its picture. A latent counts by the mean over the pixels it stands for;
    these are scaled linearly, for Lanczos would ring beyond black and white.

    Args:
        mask: of the picture's size, mode L; white counts.
    """
    if mask is None:
        return torch.ones(1, bucket.height_px // VAE_FACTOR, bucket.width_px // VAE_FACTOR)
    fitted = framing.applied(mask, bucket, Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(fitted, dtype=np.float32))[None] / 255
    return functional.avg_pool2d(values, VAE_FACTOR)
