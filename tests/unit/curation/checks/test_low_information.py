from __future__ import annotations

import numpy as np
from PIL import Image

from studio.curation.checks.low_information import LowInformation

CHECK = LowInformation(2.5)


def test_a_picture_of_nothing_is_warned_of(look):
    noise = np.random.default_rng(0).normal(10, 0.9, (200, 200, 3)).astype(np.uint8)
    found = CHECK.examine(look(Image.fromarray(noise), CHECK))
    assert found is not None
    assert (found.severity, found.threshold) == ("warn", 2.5)
    assert found.score < 2.5


def test_photographs_and_flat_drawings_pass(look, photograph, icon):
    assert CHECK.score(look(icon, CHECK)) < 2.5
    for image in (icon, photograph(1), photograph(1, (3, 5))):
        assert CHECK.examine(look(image, CHECK)) is None
