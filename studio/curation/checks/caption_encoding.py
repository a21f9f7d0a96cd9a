"""Captions whose letters were spoiled on the way from one program to another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import ftfy

from studio.curation.caption_text import invisible, tidy
from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding, Severity
from studio.curation.view import View

_LOST = "\N{REPLACEMENT CHARACTER}"
_WORD = re.compile(r"\w+")
# Scripts that share the shapes of many letters; a word is written in one of them.
_ALIKE = ("LATIN", "CYRILLIC", "GREEK")

_Fault = tuple[Severity, str]


class CaptionEncoding(PictureCheck):
    """Score: how many kinds of damage. Text of one encoding read as another ("Ã¤" for "ä"), lost
    characters, words of two alphabets, invisible characters.
    """

    name = "caption_encoding"

    def examine(self, view: View) -> Finding | None:
        faults = list(_faults(view.raw_caption))
        if not faults:
            return None
        severity: Severity = "warn" if any(s == "warn" for s, _ in faults) else "info"
        return self.finding(severity, len(faults), 0, "; ".join(text for _, text in faults))


def _faults(raw: str) -> Iterator[_Fault]:
    mended = ftfy.fix_encoding(raw)
    if mended != raw:
        wrong, right = _difference(tidy(raw), tidy(mended))
        yield "warn", f'its caption reads "{wrong}" where "{right}" was meant: save it as UTF-8'
    if lost := mended.count(_LOST):
        yield "warn", f"{lost} character(s) of its caption are lost ({_LOST}); write them anew"
    if mixed := _mixed_words(mended):
        yield (
            "warn",
            f'"{mixed[0]}" in its caption mixes letters of {_scripts(mixed[0])}; retype it',
        )
    if hidden := sorted({c for c in mended if invisible(c)}):
        names = ", ".join(unicodedata.name(c, f"U+{ord(c):04X}").lower() for c in hidden[:3])
        yield "info", f"invisible characters in its caption are left out: {names}"


def _difference(wrong: str, right: str) -> tuple[str, str]:
    """The first words that differ; where words were joined or parted, both whole."""
    pairs = list(zip(wrong.split(), right.split(), strict=False))
    if len(wrong.split()) != len(right.split()):
        return wrong, right
    return next(((w, r) for w, r in pairs if w != r), (wrong, right))


def _mixed_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if " and " in _scripts(word)]


def _scripts(word: str) -> str:
    """E.g. ``Latin and Cyrillic``."""
    scripts = {unicodedata.name(c, " ").split(" ")[0] for c in word if c.isalpha()}
    return " and ".join(script.title() for script in _ALIKE if script in scripts)
