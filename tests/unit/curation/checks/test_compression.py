from __future__ import annotations

import io

import pytest
from PIL import Image

from studio.curation.checks.compression import Compression
from studio.curation.checks.jpeg_history import quality_of_table
from studio.curation.file_facts import file_facts

CHECK = Compression(50, 30)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


@pytest.mark.parametrize("quality", [12, 25, 45, 70])
def test_the_pixels_tell_the_quality_at_any_place_of_the_grid(photograph, look, quality):
    resaved = jpeg(photograph(), quality).convert("RGB").crop((5, 3, 288, 256))
    assert CHECK.score(look(resaved, CHECK)) == pytest.approx(quality, abs=3)


def test_a_better_second_saving_does_not_hide_the_first(photograph, look):
    twice = jpeg(jpeg(photograph(), 20).convert("RGB"), 92)
    view = look(twice.convert("RGB"), CHECK, facts=file_facts(twice))
    found = CHECK.examine(view)
    assert found is not None
    assert (found.severity, found.threshold) == ("block", 30)
    assert found.score == pytest.approx(20, abs=3)
    assert len(str(found.evidence["crop"]).split(",")) == 4


def test_between_the_limits_is_a_warning(photograph, look):
    found = CHECK.examine(look(jpeg(photograph(), 40).convert("RGB"), CHECK))
    assert found is not None
    assert found.severity == "warn"


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
def test_the_files_table_tells_the_quality(icon, quality):
    assert quality_of_table(file_facts(jpeg(icon, quality)).luma_table) == pytest.approx(
        quality, abs=2
    )


def test_a_good_file_is_let_pass(photograph, look):
    saved = jpeg(photograph(), 90)
    view = look(saved.convert("RGB"), CHECK, facts=file_facts(saved))
    assert CHECK.score(view) == pytest.approx(90, abs=2)
    assert CHECK.examine(view) is None


def test_what_was_never_compressed_has_no_score(photograph, icon, look):
    for image in (photograph(1), icon, icon.resize((6, 5))):
        assert CHECK.score(look(image, CHECK)) is None
        assert CHECK.examine(look(image, CHECK)) is None
