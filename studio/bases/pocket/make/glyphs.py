"""The glyphs pocket learns from: which emoji, their words, their bitmaps."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")  # Debian: fonts-noto-color-emoji
EMOJI_TEST = Path("/usr/share/unicode/emoji/emoji-test.txt")  # Debian: unicode-data
ANNOTATIONS = Path("/usr/share/unicode/cldr/common/annotations/en.xml")  # Debian: unicode-cldr-core

LEFT_OUT_GROUPS = frozenset({"Component", "Flags", "Symbols"})
KEPT_SUBGROUPS = frozenset({"geometric"})  # of a group that is left out: colours and plain shapes
HELD_OUT_EVERY = 20  # every 20th glyph is never seen by the autoencoder
ONE_SIDED = re.compile(r"\b(left|right|clock|o’clock|thirty|arrow|abc|calendar|input)\b")


@dataclass(frozen=True)
class Glyph:
    """One emoji: its character, English short name, search words and place in Unicode's order."""

    char: str
    name: str
    keywords: tuple[str, ...]
    subgroup: str
    index: int

    @property
    def held_out(self) -> bool:
        return self.index % HELD_OUT_EVERY == 7

    @property
    def may_mirror(self) -> bool:
        """Whether a mirrored picture still shows what the name says."""
        return not ONE_SIDED.search(self.name)

    def bitmap(self) -> Image.Image:
        """RGBA, 136 x 128 px: the font's own bitmap strike."""
        return Image.open(io.BytesIO(_bitmaps()[self.char])).convert("RGBA")


@cache
def glyphs() -> tuple[Glyph, ...]:
    """All single-code-point emoji of the kept groups that the font draws, in Unicode's order."""
    keywords = _keywords()
    drawn = _bitmaps()
    kept = ((c, n, s) for c, n, s in _listed() if c in drawn)
    return tuple(Glyph(c, n, keywords.get(c, ()), s, i) for i, (c, n, s) in enumerate(kept))


def _listed() -> Iterator[tuple[str, str, str]]:
    group = subgroup = ""
    for line in EMOJI_TEST.read_text("utf-8").splitlines():
        if line.startswith("# group:"):
            group = line.split(":", 1)[1].strip()
        elif line.startswith("# subgroup:"):
            subgroup = line.split(":", 1)[1].strip()
        elif "; fully-qualified" in line and (
            group not in LEFT_OUT_GROUPS or subgroup in KEPT_SUBGROUPS
        ):
            codes = [c for c in line.split(";")[0].split() if c != "FE0F"]
            if len(codes) == 1:  # no skin tones, no joined sequences
                name = line.split("#", 1)[1].strip().split(" ", 2)[2]
                yield chr(int(codes[0], 16)), name.lower(), subgroup


def _keywords() -> dict[str, tuple[str, ...]]:
    words = {}
    for node in ET.parse(ANNOTATIONS).getroot().iter("annotation"):
        if node.get("type") != "tts" and node.text:
            words[str(node.get("cp"))] = tuple(w.strip().lower() for w in node.text.split("|"))
    return words


@cache
def _bitmaps() -> dict[str, bytes]:
    font = TTFont(FONT)
    strike = font["CBDT"].strikeData[0]
    return {
        chr(code): strike[name].imageData
        for code, name in (font.getBestCmap() or {}).items()
        if name in strike
    }
