from __future__ import annotations

import numpy as np
import pytest

from studio.evaluation.retrieval import Retrieval, compare_following, retrieve, without_trigger


def test_rank_one_and_five_on_constructed_embeddings() -> None:
    texts = np.eye(8)
    pictures = np.stack(
        [
            texts[0],  # its own is best
            0.5 * texts[1] + np.sum([0.6 * texts[i] for i in (2, 3, 4, 5)], axis=0),  # fifth
            0.5 * texts[2] + np.sum([0.6 * texts[i] for i in (3, 4, 5, 6, 7)], axis=0),  # sixth
            texts[4],  # another is best, all others tie
        ]
    )
    assert retrieve(pictures, texts, [0, 1, 2, 3]) == Retrieval(top1=0.25, top5=0.5)


def test_pictures_that_all_look_alike_do_not_score_by_ties() -> None:
    same = np.ones((4, 3)) / np.sqrt(3)
    assert retrieve(same, np.ones((6, 3)), [0, 1, 2, 3]) == Retrieval(top1=0.0, top5=0.0)


def test_comparison_gives_change_and_chance() -> None:
    texts = np.eye(4)
    result = compare_following(texts, texts[[0, 1, 2, 0]], texts, [0, 1, 2, 3])
    assert result.top1_change_points == pytest.approx(-25.0)
    assert result.chance == Retrieval(top1=0.25, top5=1.0)
    assert (result.base.top1, result.adapter.top1, result.num_texts) == (1.0, 0.75, 4)


@pytest.mark.parametrize(
    ("prompt", "trigger", "expected"),
    [
        ("flat icons, a red heart", "flat icons", "a red heart"),
        ("Flat Icons, a red heart", "flat icons", "a red heart"),
        ("a red heart, flat icons", "flat icons", "a red heart"),
        ("a photo of sks dog", "sks", "a photo of dog"),
        ("a (x) dog", "(x)", "a dog"),
        ("a red heart", "", "a red heart"),
        ("flat icons", "flat icons", ""),
    ],
)
def test_the_trigger_is_taken_out(prompt: str, trigger: str, expected: str) -> None:
    assert without_trigger(prompt, trigger) == expected
