from __future__ import annotations

import pytest
from PIL import Image, ImageFilter

from studio.curation.checks.upscaled import Upscaled

CHECK = Upscaled(0.7)
BICUBIC, LANCZOS, NEAREST = (
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.NEAREST,
)


@pytest.mark.parametrize(
    ("factor", "method"), [(1.5, BICUBIC), (2, BICUBIC), (2, LANCZOS), (3, NEAREST), (4, BICUBIC)]
)
def test_enlarged_photographs_are_found_with_their_factor(photograph, look, factor, method):
    image = photograph(2, (384, 320))
    found = CHECK.examine(
        look(image.resize([round(s * factor) for s in image.size], method), CHECK)
    )
    assert found is not None
    assert found.severity == "warn"
    assert 1 / found.score == pytest.approx(factor, rel=0.05)
    assert f"{factor:.1f} times" in found.message


@pytest.mark.parametrize("sigma", [0, 0.8, 1.5, 3])
def test_softness_is_no_enlargement(photograph, look, sigma):
    image = photograph(3, (512, 512)).filter(ImageFilter.GaussianBlur(sigma))
    view = look(image, CHECK)
    assert CHECK.score(view) == 1
    assert CHECK.examine(view) is None


def test_pixel_art_is_remarked_on_alone(icon, look):
    found = CHECK.examine(look(icon.resize((512, 512), NEAREST), CHECK))
    assert found is not None
    assert (found.severity, found.score) == ("info", 0.25)


def test_small_and_flat_pictures_are_let_pass(icon, photograph, look):
    for image in (
        icon,
        photograph(1, (128, 128)),
        photograph(1, (9, 7)),
        Image.new("RGB", (64, 64)),
    ):
        assert CHECK.examine(look(image, CHECK)) is None
