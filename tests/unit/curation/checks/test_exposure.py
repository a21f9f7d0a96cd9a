from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from studio.curation.checks.exposure import Exposure

CHECK = Exposure(30, 225)


@pytest.mark.parametrize(
    ("scale", "offset", "word"), [(0.1, 0, "very dark"), (0.12, 224, "very bright")]
)
def test_dark_and_bright_photographs(photograph, look, scale, offset, word):
    image = photograph(9).point(lambda level: level * scale + offset)
    found = CHECK.examine(look(image, CHECK))
    assert found is not None
    assert found.severity == "warn"
    assert word in found.message


def test_usual_photographs_and_drawings_on_any_ground_pass(photograph, look, icon):
    for image in (photograph(9), icon, ImageChops.invert(icon), Image.new("RGB", (50, 50))):
        view = look(image, CHECK)
        assert CHECK.examine(view) is None or image.size == (50, 50)
        assert 0 <= CHECK.score(view) <= 255
