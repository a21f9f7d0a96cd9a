"""Is a set of one material? Per picture a likelihood of each material, per set a mixture of them.

A plain search for outliers calls every varied set mixed: content and cameras differ more than many
materials do. So a picture is strange here where the materials that it could be made of are not
those of the majority; how far it stands from the majority on the discriminant axes, where content
counts little, comes second, for the materials that nobody taught.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from studio.curation.material.classifier import Classifier, shipped
from studio.curation.material.groups import DOUBT_IN_FINE_FILM, GROUPS
from studio.curation.material.mixture import Floats, Mixture, fitted

FEWEST_PICTURES = 12  # fewer are too few to call some of them strangers
LIMIT = 0.5  # of strangeness

_DISTANCE_WEIGHT = 0.1
_NEUTRAL = 2.0  # a strangeness of one half
_DEGREES = 8.0  # of freedom of a t-distribution: pictures stray more than a normal one allows
_KNOWN_PICTURES = 10.0  # how many of a set outweigh what was taught about where a material stands
_LEAST_WEIGHT = 1e-3
_LEAST_FOREIGN_WEIGHT = 0.02


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a set.

    Attributes:
        strangeness: (pictures,), 0 to 1: how unlike the majority's material each picture is.
        groups: (pictures,), the most probable group of each picture in this set.
        majority: the group of most pictures.
        evidence: of each other group, the logarithm of how many times likelier the set is with some
            of it than without any, divided by our doubt.
    """

    strangeness: Floats
    groups: tuple[str, ...]
    majority: str
    evidence: dict[str, float]

    def strangers(self, min_evidence: float) -> NDArray[np.bool_]:
        """(pictures,): those strange enough, and of a group that the set as a whole speaks for.

        One picture may look like anything; five that look alike are no chance.
        """
        present = [self.evidence.get(group, -np.inf) >= min_evidence for group in self.groups]
        return np.asarray(np.array(present) & (self.strangeness >= LIMIT))


def judged(values: NDArray[np.float32], classifier: Classifier | None = None) -> Judgement:
    """Judge a set.

    Args:
        values: (pictures, features), at least `FEWEST_PICTURES`, in the order of the classifier's.
    """
    classifier = classifier or shipped()
    likelihoods = classifier.log_likelihoods(values)
    mixture = fitted(likelihoods)
    members = {
        name: [i for i, m in enumerate(classifier.materials) if m in group.materials]
        for name, group in GROUPS.items()
    }
    shares = {name: mixture.shares[:, index].sum(axis=1) for name, index in members.items()}
    majority = max(shares, key=lambda name: float(shares[name].sum()))
    own = members[majority]
    others = [i for i in range(len(classifier.materials)) if i not in own]
    weights = np.log(mixture.weights[others] + _LEAST_FOREIGN_WEIGHT)
    odds = logsumexp(likelihoods[:, others] + weights, axis=1) - _inside(likelihoods, mixture, own)
    distance = _distance(classifier, values, mixture, own)
    alone = fitted(likelihoods[:, own]).log_likelihood
    evidence = {
        name: (fitted(likelihoods[:, [*own, *index]]).log_likelihood - alone)
        / _doubt(name, classifier, mixture)
        for name, index in members.items()
        if name != majority
    }
    names, table = list(shares), np.stack(list(shares.values()))
    return Judgement(
        strangeness=expit(odds + _DISTANCE_WEIGHT * distance - _NEUTRAL),
        groups=tuple(names[i] for i in table.argmax(axis=0)),
        majority=majority,
        evidence=evidence,
    )


def _doubt(name: str, classifier: Classifier, mixture: Mixture) -> float:
    fine = float(mixture.weights[classifier.materials.index("film_fine")])
    return GROUPS[name].doubt + (DOUBT_IN_FINE_FILM * fine if name == "digital" else 0)


def _inside(likelihoods: Floats, mixture: Mixture, index: list[int]) -> Floats:
    """(pictures,): log-likelihood if all were of these materials, in the set's own proportions."""
    weights = mixture.weights[index] / mixture.weights[index].sum()
    return np.asarray(logsumexp(likelihoods[:, index] + np.log(weights + _LEAST_WEIGHT), axis=1))


def _distance(
    classifier: Classifier, values: NDArray[np.float32], mixture: Mixture, own: list[int]
) -> Floats:
    """(pictures,): minus the log-density of the majority on the axes, moved to where this set has it."""
    positions = classifier.positions(values)
    densities = []
    for index in own:
        share = mixture.shares[:, index]
        away = positions - classifier.means[index]
        moved = share @ away / (share.sum() + _KNOWN_PICTURES)
        density = _student(away - moved, classifier.covariances[index])
        densities.append(density + np.log(mixture.weights[index] + _LEAST_WEIGHT))
    return np.asarray(-logsumexp(densities, axis=0))


def _student(away: Floats, covariance: Floats) -> Floats:
    """Log-density of a multivariate t-distribution, up to a constant."""
    axes = away.shape[1]
    square = np.einsum("ij,ij->i", away @ np.linalg.inv(covariance), away)
    size = np.linalg.slogdet(covariance)[1]
    return np.asarray(-0.5 * size - 0.5 * (_DEGREES + axes) * np.log1p(square / _DEGREES))
