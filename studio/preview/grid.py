"""A comparison as one labelled picture: a row for each prompt, columns of seeds and series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, PngImagePlugin

from studio import atomic
from studio.preview.comparison import Comparison
from studio.preview.typography import LINE_HEIGHT, draw_lines, shortened, width_px, wrapped

PAPER, INK, MUTED, LINE, ACCENT = "#f5f4f1", "#1c2126", "#757b83", "#d9d8d3", "#d4532b"
SMALL_PX = 256  # pictures with shorter sides are enlarged by whole factors up to this
METADATA_KEY = "studio.comparison"


@dataclass(frozen=True)
class Layout:
    """Every measure of a grid, in pixels, from the size of one picture.

    Columns are grouped, by seed mostly; within a group there is one picture for each series. Margins and
    type grow with the pictures, so that a sheet shown at any width reads the same.
    """

    cell_width: int
    cell_height: int
    num_rows: int
    num_groups: int
    num_series: int

    def px(self, measure: float) -> int:
        """A measure given for pictures of 256 px, at this sheet's size."""
        return round(measure * min(self.cell_width, self.cell_height) / SMALL_PX)

    @property
    def margin(self) -> int:
        return self.px(40)

    @property
    def gap(self) -> int:
        return self.px(8)

    @property
    def group_gap(self) -> int:
        return self.px(28)

    @property
    def row_gap(self) -> int:
        return self.px(16)

    @property
    def label_width(self) -> int:
        return self.px(220)

    @property
    def top(self) -> int:
        """Where the pictures begin: below title and headings."""
        return self.margin + self.px(164)

    @property
    def group_width(self) -> int:
        return self.num_series * self.cell_width + (self.num_series - 1) * self.gap

    @property
    def size(self) -> tuple[int, int]:
        groups = self.num_groups * self.group_width + (self.num_groups - 1) * self.group_gap
        rows = self.num_rows * self.cell_height + (self.num_rows - 1) * self.row_gap
        width = 2 * self.margin + self.label_width + groups
        return width, self.top + rows + self.px(44) + self.margin

    def corner(self, row: int, group: int, series: int) -> tuple[int, int]:
        """Upper left corner of one picture."""
        x = self.margin + self.label_width + group * (self.group_width + self.group_gap)
        return (
            x + series * (self.cell_width + self.gap),
            self.top + row * (self.cell_height + self.row_gap),
        )


def draw_grid(comparison: Comparison) -> Image.Image:
    """The whole sheet: title, seed and series headings, pictures, wrapped prompts, footer."""
    layout = layout_of(comparison)
    sheet = Image.new("RGB", layout.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_title(draw, layout, comparison)
    _draw_headings(draw, layout, comparison)
    _draw_rows(draw, layout, comparison)
    _paste_pictures(sheet, layout, comparison)
    _draw_footer(draw, layout, comparison)
    return sheet


def save_grid(comparison: Comparison, path: Path) -> None:
    """Write the sheet as PNG, whole or not at all; ``studio.comparison`` in its text chunks says in
    JSON how the pictures were drawn.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt(METADATA_KEY, json.dumps(comparison.describe(), ensure_ascii=False))
    with atomic.replacing(path) as temporary:
        draw_grid(comparison).save(temporary, format="PNG", pnginfo=text, optimize=True)


def layout_of(comparison: Comparison) -> Layout:
    width, height = comparison.series[0].pictures[0].size
    factor = max(1, SMALL_PX // min(width, height))
    return Layout(
        cell_width=width * factor,
        cell_height=height * factor,
        num_rows=len(comparison.row_headings),
        num_groups=len(comparison.group_headings),
        num_series=len(comparison.series),
    )


def _draw_title(draw: ImageDraw.ImageDraw, layout: Layout, comparison: Comparison) -> None:
    limit = layout.size[0] - 2 * layout.margin
    large, small = layout.px(32), layout.px(17)
    title = shortened(comparison.title, large, limit)
    draw_lines(draw, [title], (layout.margin, layout.margin), large, INK)
    subtitle = f"on {comparison.base_name} · every picture beside its twin from the same noise"
    place = (layout.margin, layout.margin + layout.px(46))
    draw_lines(draw, [shortened(subtitle, small, limit)], place, small, MUTED)


def _draw_headings(draw: ImageDraw.ImageDraw, layout: Layout, comparison: Comparison) -> None:
    for group, label in enumerate(comparison.group_headings):
        _draw_group(draw, layout, group, label)
        for index, series in enumerate(comparison.series):
            x, top = layout.corner(0, group, index)
            heading = shortened(series.heading, layout.px(20), layout.cell_width)
            draw_lines(draw, [heading], (x, top - layout.px(21)), layout.px(20), INK, anchor="ls")
            bar = (x, top - layout.px(10), x + layout.cell_width - 1, top - layout.px(8))
            draw.rectangle(bar, fill=ACCENT if series.strength else LINE)


def _draw_group(draw: ImageDraw.ImageDraw, layout: Layout, group: int, label: str) -> None:
    left, top = layout.corner(0, group, 0)
    size = layout.px(15)
    label = shortened(label, size, layout.group_width)
    draw_lines(draw, [label], (left, top - layout.px(60)), size, MUTED, anchor="ls")
    start, y = left + width_px(label, size) + layout.px(12), top - layout.px(65)
    draw.line((start, y, left + layout.group_width, y), fill=LINE, width=layout.px(1))


def _draw_rows(draw: ImageDraw.ImageDraw, layout: Layout, comparison: Comparison) -> None:
    size = layout.px(19)
    max_lines = max(1, int(layout.cell_height / (size * LINE_HEIGHT)))
    for index, heading in enumerate(comparison.row_headings):
        lines = wrapped(heading, size, layout.label_width - layout.group_gap, max_lines)
        draw_lines(draw, lines, (layout.margin, layout.corner(index, 0, 0)[1]), size, INK)


def _paste_pictures(sheet: Image.Image, layout: Layout, comparison: Comparison) -> None:
    cell = (layout.cell_width, layout.cell_height)
    for series_index, series in enumerate(comparison.series):
        for row in range(layout.num_rows):
            for group in range(layout.num_groups):
                picture = comparison.picture(series, row, group).convert("RGB")
                shown = picture.resize(cell, Image.Resampling.LANCZOS)
                sheet.paste(shown, layout.corner(row, group, series_index))


def _draw_footer(draw: ImageDraw.ImageDraw, layout: Layout, comparison: Comparison) -> None:
    size = layout.px(15)
    place = (layout.margin, layout.size[1] - layout.margin)
    limit = layout.size[0] - 2 * layout.margin
    draw_lines(draw, [shortened(footer(comparison), size, limit)], place, size, MUTED, anchor="ls")


def footer(comparison: Comparison) -> str:
    """One line that says how the pictures were drawn."""
    sampling = comparison.sampling
    rows = comparison.rows  # which say it, or what all pictures share does
    strengths = sorted({s.strength for s in comparison.series if s.strength})
    parts = [
        comparison.sampling.scheduler,
        f"{sampling.num_inference_steps} steps",
        f"CFG {sampling.guidance_scale:g}",
        "strength " + ", ".join(f"{s:g}" for s in strengths) if strengths and not rows else "",
        ("seed " if len(comparison.seeds) == 1 else "seeds ")
        + ", ".join(str(s) for s in comparison.seeds),
        f"negative: {sampling.negative_prompt}" if sampling.negative_prompt else "",
    ]
    return "  ·  ".join(part for part in parts if part)
