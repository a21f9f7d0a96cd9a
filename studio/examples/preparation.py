"""From a picture file to what the VAE reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from studio.curation.decode import open_rgb
from studio.examples.buckets import Bucket


def pixel_values(path: Path, bucket: Bucket, *, flipped: bool = False) -> Tensor:
    """The picture at the bucket's size: (3, height, width) in [-1, 1], fp32.

    Scaled with Lanczos to cover the bucket and cropped around the centre, never stretched.

    Raises:
        DatasetError: the file cannot be read as a picture.
    """
    size = (bucket.width_px, bucket.height_px)
    fitted = ImageOps.fit(open_rgb(path), size, method=Image.Resampling.LANCZOS)
    if flipped:
        fitted = ImageOps.mirror(fitted)
    channels_last = torch.from_numpy(np.array(fitted, dtype=np.float32))
    return channels_last.permute(2, 0, 1) / 127.5 - 1
