"""Text on a picture: Pillow's built-in scalable font, wrapped and shortened to fit."""

from __future__ import annotations

from functools import cache

from PIL import ImageDraw, ImageFont

LINE_HEIGHT = 1.35
ELLIPSIS = "…"


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface; nothing to install, the same on every machine."""
    found = ImageFont.load_default(size_px)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise RuntimeError("this build of Pillow has no FreeType; install the one from PyPI")
    return found


def width_px(text: str, size_px: int) -> float:
    return font(size_px).getlength(text)


def shortened(text: str, size_px: int, limit_px: float) -> str:
    """``text``, or as much of its beginning as fits with an ellipsis."""
    if width_px(text, size_px) <= limit_px:
        return text
    while text and width_px(text.rstrip() + ELLIPSIS, size_px) > limit_px:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def wrapped(text: str, size_px: int, limit_px: float, max_lines: int) -> list[str]:
    """Lines no wider than ``limit_px``, broken at spaces; the last one shortened if need be."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < max_lines - 1:
        taken = _words_that_fit(words, size_px, limit_px)
        lines.append(shortened(" ".join(words[:taken]), size_px, limit_px))
        words = words[taken:]
    if words:
        lines.append(shortened(" ".join(words), size_px, limit_px))
    return lines


def _words_that_fit(words: list[str], size_px: int, limit_px: float) -> int:
    count = 1
    while count < len(words) and width_px(" ".join(words[: count + 1]), size_px) <= limit_px:
        count += 1
    return count


def draw_lines(
    draw: ImageDraw.ImageDraw,
    lines: list[str],
    at: tuple[float, float],
    size_px: int,
    fill: str,
    *,
    anchor: str = "la",
) -> None:
    """Lines one below the other from ``at``; ``anchor`` as Pillow's, for each line."""
    x, y = at
    for number, line in enumerate(lines):
        place = (x, y + number * size_px * LINE_HEIGHT)
        draw.text(place, line, fill=fill, font=font(size_px), anchor=anchor)
