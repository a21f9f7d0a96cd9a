"""By what two groups of pictures differ, in the words of someone who prints photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.curation.material.classifier import Classifier


@dataclass(frozen=True)
class Property:
    """One thing to be seen in a print.

    Attributes:
        features: whose mean normal score is compared.
        more: what is said of the group with the higher value.
        less: of that with the lower; empty where nobody would say so.
    """

    features: tuple[str, ...]
    more: str
    less: str = ""


_PROPERTIES = (
    Property(("noise_luma_fine", "noise_luma_middle"), "stronger grain or noise", "less grain"),
    Property(("noise_lag_1", "noise_lag_diagonal"), "coarser grain", "finer grain"),
    Property(("noise_blue_middle", "noise_red_middle"), "more colour noise", "less colour noise"),
    Property(("noise_red_green", "noise_green_blue"), "grain of one colour", "coloured grain"),
    Property(("rich_band_8", "rich_band_9", "rich_band_10"), "crisper detail", "softer detail"),
    Property(("blocks_rows", "blocks_columns", "zeros_high_aligned"), "blocks from compression"),
    Property(("dead_0.15", "dead_0.6"), "flat areas without any texture"),
    Property(("top_colour", "peaked_levels"), "few flat colours in place of tones"),
    Property(("period_rows", "period_columns"), "a regular pattern of dots or enlarged pixels"),
    Property(("steps_over_24",), "hard outlines"),
)
_TELLING = 0.8  # normal scores: what is nearer than that, nobody would point out
_MOST = 3


def differences(
    values: NDArray[np.float32], minority: NDArray[np.bool_], classifier: Classifier
) -> list[str]:
    """What the minority shows more or less of than the majority, the most telling first.

    Args:
        values: (pictures, features), as the classifier takes them.
        minority: (pictures,).
    """
    scores = classifier.scored(values)
    apart = np.median(scores[minority], axis=0) - np.median(scores[~minority], axis=0)
    column = {name: i for i, name in enumerate(classifier.features)}
    found = []
    for prop in _PROPERTIES:
        distance = float(np.mean([apart[column[name]] for name in prop.features]))
        words = prop.more if distance > 0 else prop.less
        if abs(distance) >= _TELLING and words:
            found.append((abs(distance), words))
    return [words for _, words in sorted(found, reverse=True)[:_MOST]]
