"""The figures that `make pocket-report` gives of the vision tower, with a judge whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.bases.pocket.make.judge import CANDIDATES, captioned, judge_top1
from studio.errors import DatasetError

FLAT_ICONS = Path(__file__).resolve().parents[3] / "datasets" / "flat-icons"
COUNT = 2 * CANDIDATES


class Judge:
    """Knows what a picture shows by its gray level, where it knows that thing at all."""

    def __init__(self, known: Sequence[int]) -> None:
        self.known = set(known)

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        shown = [int(np.asarray(picture)[0, 0]) for picture in pictures]
        return np.stack([np.eye(COUNT)[n] * (n in self.known) for n in shown])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(COUNT)[[int(text.removeprefix("thing ")) for text in texts]]


def share(known: Sequence[int]) -> float:
    scorer: Any = Judge(known)
    pictures = [Image.new("L", (8, 8), n) for n in range(COUNT)]
    return judge_top1(scorer, pictures, [f"thing {n}" for n in range(COUNT)])


def test_the_share_is_that_of_the_things_that_the_judge_knows() -> None:
    assert share(range(COUNT)) == 1.0
    assert share([]) == 0.0, "a judge that cannot tell is right by no luck"
    assert share(range(COUNT // 2)) == pytest.approx(0.5, abs=0.03)
    assert share(range(COUNT // 2)) == share(range(COUNT // 2)), "the same groups every time"


def test_the_sample_set_is_read_with_its_captions() -> None:
    pictures, captions = captioned(FLAT_ICONS)
    assert len(pictures) == len(captions) == len(set(captions)) == 96
    assert captions[0] == "airplane"
    assert {picture.mode for picture in pictures} == {"RGB"}


def test_a_missing_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere has 0 pictures and 16 are needed"):
        captioned(tmp_path / "nowhere")
