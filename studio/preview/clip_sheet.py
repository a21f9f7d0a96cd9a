"""Clips as files: a sheet of frames to look at closely, and an animated GIF of them side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, PngImagePlugin

from studio import atomic
from studio.preview.clip_pairs import ClipComparison
from studio.preview.clip_sampler import Clip
from studio.preview.grid import INK, METADATA_KEY, PAPER, SMALL_PX
from studio.preview.typography import draw_lines, shortened

MAX_FRAMES = 8
"""Frames of a clip on a sheet: the first, the last and some evenly between."""

GAP_PX, LABEL_PX, TEXT_PX = 8, 28, 18


def save_clips(comparison: ClipComparison, path: Path) -> list[Path]:
    """Write the sheet, and beside it the animation under the same name as ``.gif``; both paths."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt(METADATA_KEY, json.dumps(comparison.describe(), ensure_ascii=False))
    with atomic.replacing(path) as temporary:
        draw_sheet(comparison).save(temporary, format="PNG", pnginfo=text, optimize=True)
    animation = path.with_suffix(".gif")
    save_animation(draw_animation(comparison), animation, comparison.clip.fps)
    return [path, animation]


def save_animation(frames: Sequence[Image.Image], path: Path, fps: int) -> None:
    """Write an animated GIF that runs for ever."""
    first, *rest = frames
    with atomic.replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=rest,
            duration=round(1000 / fps),
            loop=0,
        )


def draw_sheet(comparison: ClipComparison) -> Image.Image:
    """For each clip a row of the base's frames above one with each adapter."""
    rows = [
        (f"{label} · {series.heading}", shown_frames(series.clips[index]))
        for index, label in enumerate(comparison.labels)
        for series in comparison.series
    ]
    return _stacked(rows)


def draw_animation(comparison: ClipComparison) -> list[Image.Image]:
    """A row for each clip; within it the base, then each adapter."""
    heading = " | ".join(series.heading for series in comparison.series)
    num_frames = len(comparison.series[0].clips[0])
    return [
        _stacked(
            [
                (
                    f"{label} · {heading}",
                    [series.clips[index][frame] for series in comparison.series],
                )
                for index, label in enumerate(comparison.labels)
            ]
        )
        for frame in range(num_frames)
    ]


def shown_frames(clip: Clip) -> list[Image.Image]:
    """At most `MAX_FRAMES`, evenly spread, the first and the last among them."""
    count = min(MAX_FRAMES, len(clip))
    return [clip[round(place * (len(clip) - 1) / max(1, count - 1))] for place in range(count)]


def strip(clip: Clip) -> Image.Image:
    """Some frames of one clip in a row."""
    return _stacked([("", shown_frames(clip))])


def _stacked(rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """Labelled rows of pictures; small ones are enlarged by whole factors."""
    strips = [(label, [_enlarged(picture) for picture in pictures]) for label, pictures in rows]
    width = max(sum(p.width + GAP_PX for p in pictures) for _, pictures in strips) + GAP_PX
    height = sum(pictures[0].height + LABEL_PX + GAP_PX for _, pictures in strips) + GAP_PX
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = GAP_PX
    for label, pictures in strips:
        text = shortened(label, TEXT_PX, width - 2 * GAP_PX)
        draw_lines(draw, [text], (GAP_PX, top), TEXT_PX, INK)
        left, top = GAP_PX, top + LABEL_PX
        for picture in pictures:
            sheet.paste(picture, (left, top))
            left += picture.width + GAP_PX
        top += pictures[0].height + GAP_PX
    return sheet


def _enlarged(picture: Image.Image) -> Image.Image:
    factor = max(1, SMALL_PX // 2 // min(picture.size))
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS
    )
