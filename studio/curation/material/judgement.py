"""Is a set of one material? Per picture a likelihood of each material, per set a mixture of them.

A plain search for outliers calls every varied set mixed: content and cameras differ more than many
materials do. So a picture is strange here where the materials that it could be made of are not
those of the majority; how far it stands from the majority on the discriminant axes, where content
counts little, comes second, for the materials that nobody taught.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logsumexp

from studio.curation.material.classifier import Classifier, shipped
from studio.curation.material.groups import DOUBT_IN_FINE_FILM, GROUPS
from studio.curation.material.mixture import Floats, Mixture, fitted

FEWEST_PICTURES = 12  # fewer are too few to call some of them strangers
LIMIT = 0.5  # of strangeness
_FEWEST_STRANGERS = 2

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

        One picture may look like anything, and is left to the checks of single pictures; five that
        look alike are no chance.
        """
        groups = np.array(self.groups)
        found = np.zeros(len(groups), np.bool_)
        for group, evidence in self.evidence.items():
            members = (groups == group) & (self.strangeness >= LIMIT)
            if evidence >= min_evidence and members.sum() >= _FEWEST_STRANGERS:
                found |= members
        return found


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
    own = members.pop(majority)
    inside = _inside(likelihoods, mixture, own)
    alone = fitted(likelihoods[:, own]).log_likelihood
    with_group = {n: fitted(likelihoods[:, [*own, *index]]) for n, index in members.items()}
    evidence = {
        name: (found.log_likelihood - alone) / _doubt(name, classifier, mixture)
        for name, found in with_group.items()
    }
    odds = [
        _foreign(likelihoods[:, index], with_group[name].weights[len(own) :]) - inside
        for name, index in members.items()
    ]
    names, table = list(shares), np.stack(list(shares.values()))
    distance = _distance(classifier, values, mixture, own)
    return Judgement(
        strangeness=expit(_averaged(odds, evidence) + _DISTANCE_WEIGHT * distance - _NEUTRAL),
        groups=tuple(names[i] for i in table.argmax(axis=0)),
        majority=majority,
        evidence=evidence,
    )


def _averaged(odds: Sequence[Floats], evidence: Mapping[str, float]) -> Floats:
    """(pictures,): log-odds of being a stranger, each group's as far as the set speaks for it.

    Bayesian model averaging over "the strangers are of this group". Soft photographs look a little
    enlarged and sharp ones a little filmic in every set; such odds must not drown those of the
    group that is there.
    """
    beyond_usual = [max(found - GROUPS[name].usual, 0.0) for name, found in evidence.items()]
    return np.asarray(logsumexp(np.stack(odds, axis=1) + log_softmax(beyond_usual), axis=1))


def _doubt(name: str, classifier: Classifier, mixture: Mixture) -> float:
    fine = float(mixture.weights[classifier.materials.index("film_fine")])
    return GROUPS[name].doubt + (DOUBT_IN_FINE_FILM * fine if name == "digital" else 0)


def _inside(likelihoods: Floats, mixture: Mixture, index: list[int]) -> Floats:
    """(pictures,): log-likelihood if all were of these materials, in the set's own proportions."""
    weights = mixture.weights[index] / mixture.weights[index].sum()
    return np.asarray(logsumexp(likelihoods[:, index] + np.log(weights + _LEAST_WEIGHT), axis=1))


def _foreign(likelihoods: Floats, weights: Floats) -> Floats:
    """(pictures,): log-likelihood of a group's materials, as much of each as the set holds."""
    return np.asarray(logsumexp(likelihoods + np.log(weights + _LEAST_FOREIGN_WEIGHT), axis=1))


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
