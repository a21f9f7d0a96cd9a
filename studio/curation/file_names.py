"""A caption from a file name, where the name says anything."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[\s_\-+.]+")
_COUNTER = re.compile(r"\(?\d+\)?")
# What cameras, phones, messengers and browsers write: IMG_1234, DSC0001, P1010042, PXL_2024…
_MACHINE_WORD = re.compile(
    r"(img|image|images|imag|dsc[fn]?|dscn|pict?|picture|photo|foto|bild|scan|p|pxl|mvimg|vid|gopr|gh"
    r"|dji|cimg|sam|kimg|wa|fb|screenshot|screen|shot|whatsapp|signal|telegram|at|download|unnamed"
    r"|untitled|copy|edit|edited|final|new|file|frame|page|x|px)?\(?\d*\)?",
    re.IGNORECASE,
)
# Code points and digests: 1f600, 9e107d9d372bb682. Words such as "facade" hold no digit.
_HASH = re.compile(r"(?=.*\d)(\d[0-9a-f]{3,}|[0-9a-f]{8,})", re.IGNORECASE)


def caption_from_name(stem: str) -> str:
    """``red-fox_012`` gives ``red fox``; ``IMG_1234``, digits and digests give nothing."""
    words = [word for word in _SEPARATORS.split(stem) if word]
    while words and _COUNTER.fullmatch(words[-1]):
        words.pop()
    if all(_says_nothing(word) for word in words) or _HASH.fullmatch("".join(words)):
        return ""
    return " ".join(words)


def _says_nothing(word: str) -> bool:
    if not any(character.isalpha() for character in word):
        return True
    return bool(_MACHINE_WORD.fullmatch(word) or _HASH.fullmatch(word))
