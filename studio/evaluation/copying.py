"""Does the adapter give back its training pictures?

Each generated picture is compared with its nearest training picture and its nearest held-out
picture. Both sets show the same style; an adapter that has learnt the style is about as near to
either, one that has learnt the pictures by heart is much nearer to those that it saw. Prompts pull
towards one side too (a training caption asks for a training picture's subject), so the base's
pictures of the same prompts are the yardstick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from studio.evaluation.style_features import Floats

THUMBNAIL_PX = 16
MUCH_NEARER = 0.75


@dataclass(frozen=True)
class CopyingResult:
    """Nearness to training pictures against nearness to held-out ones.

    Attributes:
        base, adapter: median over the pictures of (distance to the nearest training picture) /
            (distance to the nearest held-out picture), from equally many of each.
        suspected: whether the adapter's ratio is below three quarters of the base's.
        closest_distance: the smallest distance of an adapter picture to a training picture.
        closest_generated: index of that picture, prompt by prompt and seed by seed.
        closest_training: index of the training picture.
    """

    base: float
    adapter: float
    suspected: bool
    closest_distance: float
    closest_generated: int
    closest_training: int


def measure_copying(
    base: Sequence[Image.Image],
    adapter: Sequence[Image.Image],
    held_out: Sequence[Image.Image],
    training: Sequence[Image.Image],
) -> CopyingResult:
    """Compare generated pictures with both halves of the set; all are square RGB pictures."""
    held_out_looks, training_looks = _looks(held_out), _looks(training)
    ratios = []
    for pictures in (base, adapter):
        looks = _looks(pictures)
        to_training, to_held_out = (_distances(looks, s) for s in (training_looks, held_out_looks))
        ratios.append(nearness_ratio(to_training, to_held_out))
    generated, original = np.unravel_index(int(to_training.argmin()), to_training.shape)
    return CopyingResult(
        base=ratios[0],
        adapter=ratios[1],
        suspected=ratios[1] < MUCH_NEARER * ratios[0],
        closest_distance=float(to_training.min()),
        closest_generated=int(generated),
        closest_training=int(original),
    )


def nearness_ratio(to_training: Floats, to_held_out: Floats) -> float:
    """Median over generated pictures of nearest training / nearest held-out distance.

    The nearest of many is nearer than the nearest of few, so the larger set is judged by the
    expected nearest of as many as the smaller one has.

    Args:
        to_training: (generated, training); to_held_out: (generated, held-out)
    """
    count = min(to_training.shape[1], to_held_out.shape[1])
    near, far = _expected_nearest(to_training, count), _expected_nearest(to_held_out, count)
    return float(np.median((near + 1e-9) / (far + 1e-9)))


def _expected_nearest(distances: Floats, count: int) -> Floats:
    """Mean over all choices of ``count`` columns of the least distance in each row."""
    total = distances.shape[1]
    # The k-th nearest is the least one when it is chosen with count - 1 of the farther ones.
    chances = [comb(total - 1 - k, count - 1) / comb(total, count) for k in range(total)]
    return np.asarray(np.sort(distances, axis=1) @ np.array(chances))


def _looks(pictures: Sequence[Image.Image]) -> Floats:
    """A coarse view of each picture: colours and lightness gradient of a 16 px thumbnail.

    Returns:
        (pictures, 1024)
    """
    return np.stack([_look(picture) for picture in pictures])


def _look(picture: Image.Image) -> Floats:
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX)) / 255.0
    lab = rgb2lab(small) / 100.0
    gradient = np.hypot(*np.gradient(lab[..., 0]))
    return np.concatenate([lab.ravel(), gradient.ravel()])


def _distances(first: Floats, second: Floats) -> Floats:
    """Root mean square difference of each pair: (first, second)."""
    return np.stack([np.sqrt(((second - look) ** 2).mean(axis=1)) for look in first])
