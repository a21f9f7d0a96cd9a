"""What holds for all checks, whatever the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from studio.curation.check_names import BY_CHECKS
from studio.curation.checks import checks_for
from studio.curation.checks.check import PictureCheck
from studio.curation.settings import DatasetSettings
from studio.curation.view import Pixels

CHECKS = checks_for(DatasetSettings(source="unused"), 128)


def test_the_recipe_knows_every_check():
    assert sorted(check.name for check in CHECKS.all) == sorted(BY_CHECKS)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (2000, 9), (128, 128)])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_odd_pictures_are_measured_the_same_twice(look, size, kind):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.new("RGB", size, "teal") if kind == "flat" else Image.fromarray(noise)
    views = [look(image, *CHECKS.all, name="a.png") for _ in range(2)]
    for name, numbers in views[0].measurements.items():
        assert (numbers.ndim, numbers.dtype) == (1, np.float32), name
        np.testing.assert_array_equal(numbers, views[1].measurements[name])
    for check in CHECKS.of_picture:
        check.examine(views[0])
    for check in CHECKS.of_set:
        check.examine([views[0]])


def test_every_measuring_picture_check_has_a_score(photograph, look):
    image = photograph(10)
    view = look(image, *CHECKS.all)
    unscored = {"compression", "over_smoothed"}  # never compressed; nothing that varies faintly
    for check in CHECKS.all:
        if isinstance(check, PictureCheck) and check.measure(Pixels(image, 128)) is not None:
            assert check.score(view) is not None or check.name in unscored, check.name
