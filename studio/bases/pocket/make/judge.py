"""How well pocket's vision tower judges: whether it finds a picture's own caption among several.

It is measured as `studio evaluate` measures prompt following, so it says how high that figure can get for
pictures of a kind, however well they were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from studio.bases.pocket.make.stage import rng_for
from studio.errors import DatasetError
from studio.evaluation.clip_scorer import ClipScorer
from studio.evaluation.retrieval import retrieve

SEED = 10
CANDIDATES = 16  # as many as an evaluation has prompts
DRAWS = 200


def captioned(folder: Path) -> tuple[list[Image.Image], list[str]]:
    """The pictures of a sample set, and their captions.

    Raises:
        DatasetError: there are fewer than `CANDIDATES`.
    """
    paths = sorted(folder.glob("*.png"))
    if len(paths) < CANDIDATES:
        raise DatasetError(
            f"{folder} has {len(paths)} pictures and {CANDIDATES} are needed; run this from the root "
            "of a clone"
        )
    pictures = [Image.open(path).convert("RGB") for path in paths]
    return pictures, [path.with_suffix(".txt").read_text("utf-8").strip() for path in paths]


def judge_top1(
    scorer: ClipScorer, pictures: Sequence[Image.Image], captions: Sequence[str]
) -> float:
    """Share of pictures whose own caption is the nearest of `CANDIDATES`, by CLIP's cosine.

    The mean over `DRAWS` random groups of `CANDIDATES` pictures, the same groups every time; the
    candidates are the captions of a group.

    Args:
        captions: one for each picture, all different.
    """
    seen, said = scorer.embed_pictures(pictures), scorer.embed_texts(captions)
    shares = []
    for draw in range(DRAWS):
        group = rng_for(SEED, draw).choice(len(seen), CANDIDATES, replace=False)
        shares.append(retrieve(seen[group], said[group], range(CANDIDATES)).top1)
    return round(float(np.mean(shares)), 3)
