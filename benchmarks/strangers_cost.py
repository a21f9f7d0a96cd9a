"""What strangers in a set cost its adapter: nearness to held-out pictures, and how filmic it draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from crossed_bootstrap import Estimate, Figure, Indices, estimated

from studio.evaluation.style import SPREAD_FLOOR, relative_fall
from studio.evaluation.style_features import Floats

OfOneSeed = Callable[[Floats, Indices], float]


@dataclass(frozen=True)
class Scale:
    """What an adapter's pictures are measured against, as features of `style_features`.

    Attributes:
        base: what the bare base draws, (prompts, noises, features).
        held_out: pictures of the set that no adapter saw, (pictures, features).
        filmed: the same as if shot on film, (pictures, features).
    """

    base: Floats
    held_out: Floats
    filmed: Floats

    def style(self, drawn: Floats, prompts: Indices) -> float:
        """Share of the way from the base's pictures to the held-out ones that an adapter goes.

        Args:
            drawn: its pictures, (prompts, noises, features).
            prompts: those to look at, of base and adapter alike.
        """
        return relative_fall(_flat(self.base[prompts]), _flat(drawn[prompts]), self.held_out)

    def film(self, drawn: Floats, prompts: Indices) -> float:
        """Where the pictures stand on the way from the held-out ones (0) to the same on film (1): means,
        in spreads of the held-out pictures, brought down on the straight line between the two.
        """
        spread = np.maximum(self.held_out.std(axis=0), SPREAD_FLOOR)
        origin = self.held_out.mean(axis=0)
        way = (self.filmed.mean(axis=0) - origin) / spread
        gone = (_flat(drawn[prompts]).mean(axis=0) - origin) / spread
        return float(gone @ way / (way @ way))


def style_and_film(
    arms: Mapping[str, Floats], scale: Scale
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Both figures of every arm, mean over its seeds, and of every later arm less an earlier one.

    Args:
        arms: what adapters draw, (seeds, prompts, noises, features) each.
    """
    num_seeds, num_prompts = next(iter(arms.values())).shape[:2]
    style, film = (
        estimated(
            {arm: _over_seeds(of_one_seed, drawn) for arm, drawn in arms.items()},
            num_seeds,
            num_prompts,
        )
        for of_one_seed in (scale.style, scale.film)
    )
    return style, film


def _over_seeds(of_one_seed: OfOneSeed, drawn: Floats) -> Figure:
    return lambda seeds, prompts: float(np.mean([of_one_seed(drawn[s], prompts) for s in seeds]))


def _flat(features: Floats) -> Floats:
    """All noises of all prompts in a row: (prompts * noises, features)."""
    return features.reshape(-1, features.shape[-1])
