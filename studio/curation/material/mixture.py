"""How much of each material a set holds: a mixture fitted by expectation and maximisation.

Dempster, Laird and Rubin 1977; the components are the known materials, so that only their weights
are fitted, and a set of one material ends with the weight on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]

_ROUNDS = 60
_PRIOR_PICTURES = 0.5  # spread over all materials: none is ruled out by a small set
_TINY = 1e-12


@dataclass(frozen=True)
class Mixture:
    """Attributes:
    weights: (materials,), sum 1.
    shares: (pictures, materials), how probable each material is for each picture in this set.
    log_likelihood: of the set.
    """

    weights: Floats
    shares: Floats
    log_likelihood: float


def fitted(log_likelihoods: Floats) -> Mixture:
    """The mixture of a set.

    Args:
        log_likelihoods: (pictures, materials), at least one picture.
    """
    pictures, materials = log_likelihoods.shape
    weights = np.full(materials, 1 / materials)
    shares = np.zeros_like(log_likelihoods)
    for _ in range(_ROUNDS):
        joint = log_likelihoods + np.log(weights + _TINY)
        shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        prior = _PRIOR_PICTURES / materials
        weights = (shares.sum(axis=0) + prior) / (pictures + _PRIOR_PICTURES)
    evidence = logsumexp(log_likelihoods + np.log(weights + _TINY), axis=1).sum()
    return Mixture(weights, shares, float(evidence))
