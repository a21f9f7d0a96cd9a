"""Which file name goes with a picture's bytes."""

from __future__ import annotations

from pathlib import PurePosixPath

from studio.curation.sources.entry_names import is_picture

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tiff"),
    (b"MM\0*", ".tiff"),
)


def file_name(path: str | None, content: bytes, number: int) -> str:
    """A plain name for a picture out of a table: the one it had, or the number of its row.

    Args:
        path: what the table says the file was called; anything may stand there.
    """
    name = PurePosixPath((path or "").replace("\\", "/")).name
    if not name.isprintable() or name.startswith(".") or not name:
        return f"{number:06d}{ending(content)}"
    return name if is_picture(name) else f"{name}{ending(content)}"


def ending(content: bytes) -> str:
    """By how the bytes begin. What is no picture is called one: curation says so of it by name."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return ".webp"
    return next((e for beginning, e in _BEGINNINGS if content.startswith(beginning)), ".png")
