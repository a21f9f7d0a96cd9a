"""How likely each known material is for a picture's features, and where the picture stands among them.

Two readings of the same numbers. A small ensemble of networks knows the materials it was taught and
tells them apart sharply. On the discriminant axes (Fisher 1936: the directions in which materials
differ most, for their spread within one material) a picture in a material that nobody taught stands
apart from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SHIPPED = "classifier.npz"
_LEAST_PROBABILITY = 1e-4  # a simulator's certainty is not the world's


@dataclass(frozen=True)
class Classifier:
    """What was learned; `studio.curation.material.make` does.

    Attributes:
        features: their names, in the order of the columns below.
        materials: their names.
        knots: (quantiles, features), from each feature to its place among those seen.
        normal: (quantiles,), that place as a standard normal score.
        hidden: (networks, features, units), with biases `hidden_bias` (networks, units).
        output: (networks, units, materials), with biases `output_bias` (networks, materials).
        axes: (features, axes), scaled so that pictures of one material have unit spread on each.
        means: (materials, axes), where pictures of each stand on them.
        covariances: (materials, axes, axes), and how they are spread there.
    """

    features: tuple[str, ...]
    materials: tuple[str, ...]
    knots: Floats
    normal: Floats
    hidden: Floats
    hidden_bias: Floats
    output: Floats
    output_bias: Floats
    axes: Floats
    means: Floats
    covariances: Floats

    def scored(self, values: NDArray[np.float32]) -> Floats:
        """(pictures, features) as normal scores; what lies outside all that was seen is clipped."""
        columns = zip(values.T, self.knots.T, strict=True)
        return np.stack([np.interp(v, knots, self.normal) for v, knots in columns], axis=1)

    def log_likelihoods(self, values: NDArray[np.float32]) -> Floats:
        """(pictures, materials), up to a number for each picture: every material equally common."""
        units = np.maximum(self.scored(values) @ self.hidden + self.hidden_bias[:, None], 0)
        logits = units @ self.output + self.output_bias[:, None]  # (networks, pictures, materials)
        odds = np.exp(logits - logits.max(axis=2, keepdims=True))
        probabilities = (odds / odds.sum(axis=2, keepdims=True)).mean(axis=0)
        return np.asarray(np.log(probabilities + _LEAST_PROBABILITY))

    def positions(self, values: NDArray[np.float32]) -> Floats:
        """(pictures, axes)."""
        return np.asarray(self.scored(values) @ self.axes)

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            features=np.array(self.features),
            materials=np.array(self.materials),
            **{name: getattr(self, name).astype(np.float32) for name in _ARRAYS},
        )

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> Classifier:
        with np.load(file, allow_pickle=False) as found:
            return cls(
                tuple(found["features"].tolist()),
                tuple(found["materials"].tolist()),
                *(found[name].astype(np.float64) for name in _ARRAYS),
            )


_ARRAYS = (
    "knots",
    "normal",
    "hidden",
    "hidden_bias",
    "output",
    "output_bias",
    "axes",
    "means",
    "covariances",
)


@lru_cache(maxsize=1)
def shipped() -> Classifier:
    """The one that comes with the studio; its card says how it was made."""
    with files("studio.curation.material").joinpath(_SHIPPED).open("rb") as file:
        return Classifier.load(file)
