"""The norms of an adapter's blocks as a bar chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from studio import atomic
from studio.adapters.inspection.findings import Block
from studio.preview.typography import draw_lines, shortened

PAPER, INK, MUTED, LINE, ACCENT = "#f5f4f1", "#1c2126", "#757b83", "#d9d8d3", "#d4532b"
WIDTH, MARGIN, TITLE, SMALL, ROW, BAR = 1200, 48, 32, 20, 44, 24
LABELS, NUMBERS = 290, 230
"""Pixels, all of them: what the names of the blocks take, and the numbers behind the bars."""
TOP = MARGIN + 110


def save_norms(blocks: Sequence[Block], title: str, subtitle: str, path: Path) -> None:
    """Write the chart as PNG, whole or not at all."""
    with atomic.replacing(path) as temporary:
        norms_chart(blocks, title, subtitle).save(temporary, format="PNG", optimize=True)


def norms_chart(blocks: Sequence[Block], title: str, subtitle: str) -> Image.Image:
    """A bar for each block, as long as its norm against the largest; RGB, 1200 px wide."""
    chart = Image.new("RGB", (WIDTH, TOP + ROW * len(blocks) + MARGIN), PAPER)
    draw = ImageDraw.Draw(chart)
    limit = WIDTH - 2 * MARGIN
    draw_lines(draw, [shortened(title, TITLE, limit)], (MARGIN, MARGIN), TITLE, INK)
    draw_lines(draw, [shortened(subtitle, SMALL, limit)], (MARGIN, MARGIN + 48), SMALL, MUTED)
    largest = max((block.norm for block in blocks), default=0.0)
    for row, block in enumerate(blocks):
        share = block.norm / largest if 0 < largest < math.inf else 0.0
        _draw_row(draw, TOP + ROW * row, block, share)
    start = MARGIN + LABELS
    draw.line((start, TOP - 8, start, TOP + ROW * len(blocks)), fill=LINE, width=2)
    return chart


def _draw_row(draw: ImageDraw.ImageDraw, top: int, block: Block, share: float) -> None:
    start = MARGIN + LABELS
    end = start + round(share * (WIDTH - MARGIN - NUMBERS - start))
    middle = top + BAR / 2
    label = shortened(block.name, SMALL, LABELS - 16)
    draw_lines(draw, [label], (start - 16, middle), SMALL, INK, anchor="rm")
    if end > start:
        draw.rectangle((start, top, end, top + BAR), fill=ACCENT)
    number = f"{block.norm:.4g}  ({block.num_layers})"
    draw_lines(draw, [number], (end + 14, middle), SMALL, MUTED, anchor="lm")
