"""The classifier from examples: normal scores, an ensemble of small networks, discriminant axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import ndtri
from sklearn.neural_network import MLPClassifier

from studio.curation.material.classifier import Classifier, Floats
from studio.curation.material.make.examples import Examples

_QUANTILES = np.linspace(0.005, 0.995, 41)
_NETWORKS = 5
_UNITS = 96
_WEIGHT_DECAY = 1.0
_SHRINKAGE = 0.2  # of the spread within materials towards equal on all features
_POOLED_SHARE = 0.3  # of each material's own spread on the axes


def taught(examples: Examples, seed: int = 0) -> Classifier:
    """A classifier of ``examples``' materials; the same for the same examples and seed."""
    materials = tuple(sorted(set(examples.materials.tolist())))
    labels = np.array([materials.index(m) for m in examples.materials])
    knots = _knots(examples.features)
    columns = zip(examples.features.T, knots.T, strict=True)
    scores = np.stack([np.interp(v, k, ndtri(_QUANTILES)) for v, k in columns], axis=1)
    networks = [_network(scores, labels, seed + i) for i in range(_NETWORKS)]
    axes = _axes(scores, labels)
    means, covariances = _stands(scores @ axes, labels)
    return Classifier(
        features=examples.names,
        materials=materials,
        knots=knots,
        normal=ndtri(_QUANTILES),
        hidden=np.stack([n.coefs_[0] for n in networks]),
        hidden_bias=np.stack([n.intercepts_[0] for n in networks]),
        output=np.stack([n.coefs_[1] for n in networks]),
        output_bias=np.stack([n.intercepts_[1] for n in networks]),
        axes=axes,
        means=means,
        covariances=covariances,
    )


def _knots(features: NDArray[np.float32]) -> Floats:
    """(quantiles, features), rising: a feature that is often the same has equal quantiles."""
    knots = np.quantile(features.astype(np.float64), _QUANTILES, axis=0)
    step = 1e-6 * (features.std(axis=0) + 1e-6)
    return np.asarray(np.maximum.accumulate(knots + np.arange(len(knots))[:, None] * step, axis=0))


def _network(scores: Floats, labels: NDArray[np.intp], seed: int) -> MLPClassifier:
    network = MLPClassifier(
        (_UNITS,),
        alpha=_WEIGHT_DECAY,
        batch_size=128,
        learning_rate_init=2e-3,
        max_iter=40,
        n_iter_no_change=40,  # a fixed number of passes: nothing is held out to stop by
        random_state=seed,
    )
    return network.fit(scores, labels)


def _axes(scores: Floats, labels: NDArray[np.intp]) -> Floats:
    """(features, materials - 1)."""
    kinds = np.unique(labels)
    means = np.stack([scores[labels == kind].mean(axis=0) for kind in kinds])
    within = np.cov((scores - means[np.searchsorted(kinds, labels)]).T)
    even = np.eye(len(within)) * np.trace(within) / len(within)
    within = (1 - _SHRINKAGE) * within + _SHRINKAGE * even
    _, vectors = eigh(np.cov(means.T), within)
    return np.asarray(vectors[:, ::-1][:, : len(kinds) - 1])


def _stands(positions: Floats, labels: NDArray[np.intp]) -> tuple[Floats, Floats]:
    groups = [positions[labels == kind] for kind in np.unique(labels)]
    own = np.stack([np.cov(group.T) for group in groups])
    pooled = own.mean(axis=0)
    covariances = (1 - _POOLED_SHARE) * own + _POOLED_SHARE * pooled
    return np.stack([group.mean(axis=0) for group in groups]), covariances
