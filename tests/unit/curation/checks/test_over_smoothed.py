from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageFilter

from studio.curation.checks.over_smoothed import OverSmoothed

CHECK = OverSmoothed(0.4)


def beautified(image: Image.Image) -> Image.Image:
    levels = np.asarray(image)
    for _ in range(3):
        levels = cv2.bilateralFilter(levels, 9, 45, 7)
    return Image.fromarray(levels)


def test_a_beauty_filter_is_found(photograph, look):
    found = CHECK.examine(look(beautified(photograph(10)), CHECK))
    assert found is not None
    assert found.severity == "warn"
    assert "crop" in found.evidence


def test_photographs_soft_ones_and_drawings_pass(photograph, look, icon):
    soft = photograph(10).filter(ImageFilter.GaussianBlur(0.8))
    for image in (photograph(10), soft, icon, photograph(10, (128, 128)), icon.resize((5, 5))):
        assert CHECK.examine(look(image, CHECK)) is None
    assert CHECK.score(look(icon, CHECK)) is None
