from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from studio.evaluation.copying import measure_copying, nearness_ratio
from studio.evaluation.effect import measure_effect

Draw = Callable[[str, int, int], list[Image.Image]]


def test_effect_of_known_changes() -> None:
    black, white = Image.new("RGB", (8, 8), "black"), Image.new("RGB", (8, 8), "white")
    result = measure_effect([black, black], [black, white])
    assert (result.mean_change, result.unchanged_share) == (0.5, 0.5)


def test_giving_back_training_pictures_is_seen(draw: Draw) -> None:
    base, training, held_out = draw("noisy", 0, 16), draw("flat", 100, 40), draw("flat", 500, 12)
    copies = [p.filter(ImageFilter.GaussianBlur(1)) for p in training[:16]]
    result = measure_copying(base, copies, held_out, training)
    assert result.suspected
    assert result.closest_generated == result.closest_training
    assert result.closest_distance < 0.02


def test_new_pictures_in_the_style_are_not_suspected(draw: Draw) -> None:
    base, training, held_out = draw("noisy", 0, 16), draw("flat", 100, 40), draw("flat", 500, 12)
    result = measure_copying(base, draw("flat", 900, 16), held_out, training)
    assert not result.suspected
    assert result.adapter == pytest.approx(1.0, abs=0.25)


def test_the_larger_set_has_no_advantage() -> None:
    rng = np.random.default_rng(0)
    many, few = rng.uniform(1, 2, (200, 60)), rng.uniform(1, 2, (200, 6))
    assert nearness_ratio(many, few) == pytest.approx(1.0, abs=0.03)
    assert nearness_ratio(many, many) == 1.0


def test_expected_nearest_on_a_case_done_by_hand() -> None:
    # Of 1, 2, 4 two are chosen: the nearest is 1, 1 or 2; against the nearest of 3, 5: 3.
    assert nearness_ratio(np.array([[4.0, 1.0, 2.0]]), np.array([[5.0, 3.0]])) == pytest.approx(
        (4 / 3) / 3
    )
