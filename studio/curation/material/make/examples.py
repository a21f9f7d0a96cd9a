"""Features of photographs in every material: what the classifier learns from, and is measured on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.material.features import described
from studio.curation.material.make.framing import SIDE_PX, finished, one_crop
from studio.curation.material.make.light import Picture
from studio.errors import DatasetError

Apply = Callable[[str, Picture, np.random.Generator], Picture]


@dataclass(frozen=True)
class Examples:
    """Pictures as numbers.

    Attributes:
        features: (pictures, features).
        names: the features' names.
        materials: (pictures,), each one's material.
        photographs: (pictures,), the file that each was made from.
    """

    features: NDArray[np.float32]
    names: tuple[str, ...]
    materials: NDArray[np.str_]
    photographs: NDArray[np.str_]

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            features=self.features,
            names=np.array(self.names),
            materials=self.materials,
            photographs=self.photographs,
        )

    @classmethod
    def load(cls, path: Path) -> Examples:
        with np.load(path) as found:
            return cls(
                found["features"],
                tuple(found["names"].tolist()),
                found["materials"],
                found["photographs"],
            )


def joined(parts: Sequence[Examples]) -> Examples:
    """All of them, one after the other; of the same features."""
    return Examples(
        np.concatenate([part.features for part in parts]),
        parts[0].names,
        np.concatenate([part.materials for part in parts]),
        np.concatenate([part.photographs for part in parts]),
    )


def examples(
    photographs: Sequence[Path],
    materials: Sequence[str],
    apply: Apply,
    *,
    seed: int,
    crops: int = 1,
    side_px: tuple[int, int] = SIDE_PX,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Each photograph, cropped ``crops`` times, in each of ``materials``.

    ``apply`` gives a picture a material; a function of a module, for it goes to other processes. The
    same for the same seed and files, whatever the number of workers. Files that cannot be read
    are passed over.
    """
    look = partial(_described_in_all, tuple(materials), apply, seed, side_px)
    work = [(path, crop) for path in photographs for crop in range(crops)]
    rows: list[dict[str, float]] = []
    labels: list[str] = []
    sources: list[str] = []
    with ProcessPoolExecutor(workers) as pool:
        looked = zip(work, pool.map(look, work), strict=True)
        for done, ((path, _), found) in enumerate(looked, start=1):
            for material, features in found:
                rows.append(features)
                labels.append(material)
                sources.append(path.name)
            if progress:
                progress(done, len(work))
    names = tuple(rows[0])
    values = np.array([[row[name] for name in names] for row in rows], np.float32)
    return Examples(values, names, np.array(labels), np.array(sources))


def _described_in_all(
    materials: tuple[str, ...],
    apply: Apply,
    seed: int,
    side_px: tuple[int, int],
    work: tuple[Path, int],
) -> list[tuple[str, dict[str, float]]]:
    cv2.setNumThreads(1)
    path, crop = work
    # By the file's name and not its place in line: one more photograph leaves the others as they are.
    key = (seed, zlib.crc32(path.name.encode()), crop)
    try:
        picture = one_crop(path, np.random.default_rng(key), side_px)
    except DatasetError:
        return []
    found = []
    for index, material in enumerate(materials):
        rng = np.random.default_rng((*key, index))
        features = described(finished(apply(material, picture, rng), rng))
        if features is not None:
            found.append((material, features))
    return found
