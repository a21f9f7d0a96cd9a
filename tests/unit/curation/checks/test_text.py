from __future__ import annotations

from PIL import ImageDraw

from studio.curation.checks.text import Text

CHECK = Text()


def test_a_line_of_text_is_found_where_it_stands(photograph, look):
    image = photograph(11)
    ImageDraw.Draw(image).text((60, 200), "example pictures 2024", "white", font_size=20)
    found = CHECK.examine([look(image, CHECK)]).of_pictures["a.png"]
    assert found.severity == "info"
    left, top, width, height = (int(v) for v in str(found.evidence["crop"]).split(","))
    assert left >= 55
    assert 190 <= top <= top + height <= 232
    assert width > 100


def test_no_text_no_word(photograph, look, icon):
    views = [look(image, CHECK, name=str(i)) for i, image in enumerate([photograph(11), icon])]
    found = CHECK.examine(views)
    assert (dict(found.of_pictures), found.of_set) == ({}, ())
    assert found.scores == {"0": 0, "1": 0}


def test_a_mark_in_one_corner_of_many_pictures_is_found(photograph, look):
    views = []
    for seed in range(16):
        image = photograph(seed)
        if seed % 2:
            ImageDraw.Draw(image).ellipse((236, 208, 276, 244), outline="white", width=4)
        views.append(look(image, CHECK, name=f"{seed:02}"))
    (found,) = CHECK.examine(views).of_set
    assert found.severity == "info"
    assert "bottom right" in found.message
    named = set(found.evidence["pictures"])
    assert len(named) >= 6
    assert named <= {f"{seed:02}" for seed in range(1, 16, 2)}
