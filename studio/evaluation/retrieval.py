"""Prompt following: is a picture's own prompt the best match among all prompts? No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio.evaluation.style_features import Floats


@dataclass(frozen=True)
class Retrieval:
    """Shares of pictures whose own prompt is the best match, or among the best five."""

    top1: float
    top5: float


@dataclass(frozen=True)
class FollowingResult:
    """Prompt following without and with the adapter.

    Attributes:
        base, adapter: the shares.
        chance: what blind guessing among the prompts would reach.
        top1_change_points: adapter's less base's top-1 share, in percentage points.
        num_texts: different prompts, the trigger word taken out.
    """

    base: Retrieval
    adapter: Retrieval
    chance: Retrieval
    top1_change_points: float
    num_texts: int


def compare_following(
    base: Floats, adapter: Floats, texts: Floats, text_of: Sequence[int]
) -> FollowingResult:
    """Score both sets of pictures against the same texts.

    Args:
        base, adapter: (pictures, width) unit-length picture embeddings, row by row paired.
        texts: (texts, width) unit-length embeddings of the *different* texts.
        text_of: for each row of ``base``, the number of its own text.
    """
    count = len(texts)
    without, with_adapter = retrieve(base, texts, text_of), retrieve(adapter, texts, text_of)
    return FollowingResult(
        base=without,
        adapter=with_adapter,
        chance=Retrieval(top1=1.0 / count, top5=min(5.0 / count, 1.0)),
        top1_change_points=100.0 * (with_adapter.top1 - without.top1),
        num_texts=count,
    )


def retrieve(pictures: Floats, texts: Floats, text_of: Sequence[int]) -> Retrieval:
    """Rank all texts for each picture by cosine similarity; a tie counts against the picture."""
    similarity = pictures @ texts.T  # (pictures, texts)
    own = similarity[np.arange(len(pictures)), np.asarray(text_of)]
    rank = (similarity >= own[:, None]).sum(axis=1)  # 1 is best
    return Retrieval(top1=float((rank <= 1).mean()), top5=float((rank <= 5).mean()))


def without_trigger(prompt: str, trigger: str) -> str:
    """The prompt as the base model's vocabulary knows it: the trigger and its comma taken out."""
    if not trigger:
        return prompt
    rest = re.sub(rf"{re.escape(trigger)}\s*,?\s*", "", prompt, flags=re.IGNORECASE)
    return rest.strip(" ,")
