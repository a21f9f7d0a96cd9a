from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.preview.comparison import Comparison, Series
from studio.preview.grid import METADATA_KEY, draw_grid, footer, layout_of, save_grid
from studio.preview.settings import SamplingSettings
from studio.preview.typography import shortened, width_px, wrapped

COLOURS = ("#ff0000", "#00ff00", "#0000ff", "#ffff00", "#ff00ff", "#00ffff")


def comparison(side: int = 128, prompts: tuple[str, ...] = ("a heart", "a dog")) -> Comparison:
    seeds = (0, 7)
    count = len(prompts) * len(seeds)
    series = [
        Series(heading, strength, tuple(_flat(side, offset + i) for i in range(count)))
        for heading, strength, offset in (("base", 0.0, 0), ("icons", 0.8, 2))
    ]
    return Comparison("icons", "pocket", prompts, seeds, tuple(series), SamplingSettings())


def _flat(side: int, number: int) -> Image.Image:
    return Image.new("RGB", (side, side), COLOURS[number % len(COLOURS)])


@pytest.mark.parametrize(("side", "shown"), [(64, 256), (128, 256), (200, 200), (512, 512)])
def test_every_picture_stands_where_the_layout_says(side: int, shown: int) -> None:
    drawn = comparison(side)
    layout = layout_of(drawn)
    sheet = draw_grid(drawn)
    assert sheet.size == layout.size
    assert (layout.cell_width, layout.cell_height) == (shown, shown)
    for number, series in enumerate(drawn.series):
        for prompt in range(2):
            for seed in range(2):
                x, y = layout.corner(prompt, seed, number)
                cell = np.asarray(sheet.crop((x, y, x + shown, y + shown)))
                colour = drawn.picture(series, prompt, seed).getpixel((0, 0))
                assert (cell == colour).all()


def test_pictures_do_not_overlap_and_stay_inside() -> None:
    layout = layout_of(comparison())
    corners = {layout.corner(p, s, n) for p in range(2) for s in range(2) for n in range(2)}
    assert len(corners) == 8
    right, bottom = layout.corner(1, 1, 1)
    assert right + layout.cell_width + layout.margin == layout.size[0]
    assert bottom + layout.cell_height < layout.size[1] - layout.margin


def test_labels_are_drawn_in_their_places() -> None:
    """The same sheet with other words differs just where those words stand."""
    drawn = comparison()
    layout = layout_of(drawn)
    first = np.asarray(draw_grid(drawn)).astype(int)
    second = np.asarray(draw_grid(comparison(prompts=("a heart", "cats")))).astype(int)
    rows, columns = np.nonzero(np.abs(first - second).sum(axis=2))
    top = layout.corner(1, 0, 0)[1]
    assert rows.min() >= top
    assert rows.max() < top + layout.px(30)
    assert layout.margin <= columns.min()
    assert columns.max() < layout.margin + layout.label_width


def test_the_png_says_how_it_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "samples" / "grid.png"
    save_grid(comparison(prompts=("ein Herz ♥", "b")), path)
    with Image.open(path) as image:
        text = json.loads(image.text[METADATA_KEY])
    assert text["prompts"] == ["ein Herz ♥", "b"]
    assert text["seeds"] == [0, 7]
    assert text["series"][1] == {"heading": "icons", "strength": 0.8}
    assert (text["sampler"], text["num_inference_steps"], text["guidance_scale"]) == ("DDIM", 25, 5)
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]


def test_the_footer_names_the_settings() -> None:
    assert footer(comparison()) == "DDIM  ·  25 steps  ·  CFG 5  ·  strength 0.8  ·  seeds 0, 7"


def test_wrapping_keeps_the_words_and_the_width() -> None:
    text = "a very long caption of a blue book on a yellow background"
    lines = wrapped(text, 19, 150, 10)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(width_px(line, 19) <= 150 for line in lines)


def test_what_does_not_fit_is_shortened() -> None:
    lines = wrapped("one two three four five six seven", 19, 80, 2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    long_word = shortened("x" * 200, 19, 80)
    assert long_word.endswith("…")
    assert width_px(long_word, 19) <= 80
    assert wrapped("", 19, 80, 2) == []
