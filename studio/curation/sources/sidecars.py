"""Captions as WebDataset keeps them: files of one key, which is a name up to its first dot.

``000.jpg`` may have its caption in ``000.txt``, in ``000.caption``, in ``000.json`` under one of the
usual names, or, as a word, in ``000.cls``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from studio.curation.caption_text import decode_text
from studio.curation.file_names import caption_from_name
from studio.curation.sources.caption_columns import CAPTION_COLUMNS
from studio.curation.sources.entry_names import is_picture

LARGEST_SIDECAR_BYTES = 1 << 20
# The first that a key has counts.
_ENDINGS = ("txt", "caption", "json", "cls")


def is_sidecar(name: str) -> bool:
    """Whether a file of that name may hold a caption."""
    return name.rpartition(".")[2].lower() in _ENDINGS


class Sidecars:
    """What one shard says of its pictures, whatever the order of its files."""

    def __init__(self) -> None:
        self._pictures: list[str] = []
        self._with_txt: set[str] = set()
        self._texts: dict[tuple[str, str], str] = {}

    def saw(self, name: str) -> None:
        """A file that was unpacked."""
        stem, _, ending = name.rpartition(".")
        if is_picture(name):
            self._pictures.append(name)
        elif ending.lower() == "txt":
            self._with_txt.add(stem)

    def read(self, name: str, content: bytes) -> None:
        """A file for which `is_sidecar` holds."""
        ending = name.rpartition(".")[2].lower()
        text = _text(ending, content)
        if text is not None:
            self._texts[_key(name), ending] = text

    def captions(self) -> Iterator[tuple[str, str]]:
        """Pictures and their texts, where no .txt of the picture's own name has it already."""
        for picture in self._pictures:
            if picture.rpartition(".")[0] in self._with_txt:
                continue
            key = _key(picture)
            texts = (self._texts.get((key, ending)) for ending in _ENDINGS)
            text = next((text for text in texts if text is not None), None)
            if text is not None:
                yield picture, text


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0] or path.name))


def _text(ending: str, content: bytes) -> str | None:
    text, _ = decode_text(content)
    if ending == "cls":  # a number or a word; a number says nothing
        return caption_from_name(text.strip()) or None
    if ending != "json":
        return text
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = (entry.get(column) for column in CAPTION_COLUMNS) if isinstance(entry, dict) else ()
    return next((value for value in found if isinstance(value, str)), None)
