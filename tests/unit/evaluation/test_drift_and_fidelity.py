from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from studio.evaluation.drift import measure_drift
from studio.evaluation.effect import EffectResult, measure_effect
from studio.evaluation.fidelity import measure_fidelity

BLACK, GRAY, WHITE = (Image.new("RGB", (8, 8), (v, v, v)) for v in (0, 51, 255))


def test_drift_is_the_change_elsewhere_as_a_share_of_the_change_here() -> None:
    effect = measure_effect([BLACK, BLACK], [WHITE, BLACK])  # half of the range
    drift = measure_drift([BLACK], [GRAY], ["a dog"], effect)  # a fifth of it
    assert drift.mean_change == pytest.approx(0.2)
    assert drift.share_of_effect == pytest.approx(0.4)
    assert drift.prompts == ("a dog",)


def test_an_adapter_without_effect_has_no_share() -> None:
    assert measure_drift([BLACK], [BLACK], ["a dog"], EffectResult(0.0, 1.0)).share_of_effect == 0


def test_fidelity_is_the_way_from_base_to_training() -> None:
    def at(*degrees: float) -> np.ndarray:
        radians = np.deg2rad(degrees)
        return np.stack([np.cos(radians), np.sin(radians)], axis=1)

    result = measure_fidelity(at(90), at(60), training=at(0, 0), held_out=at(0))
    assert (result.base, result.adapter) == pytest.approx((0.0, 0.5))
    assert result.training == pytest.approx(1.0)
    assert result.relative_gain == pytest.approx(0.5)
    assert measure_fidelity(at(90), at(120), at(0), at(0)).relative_gain < 0
