"""Text as caption files hold it, and as training reads it."""

from __future__ import annotations

import codecs
import unicodedata

# Joiners within emoji and within words of Persian, Hindi and others: invisible, but not noise.
_JOINERS = {"\u200c", "\u200d"}
_SPOKEN = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(content: bytes) -> tuple[str, str]:
    """The text, and what it was encoded in: UTF-8 (with or without byte order mark) where it can
    be; else UTF-16 with its mark, or what Windows wrote in Western Europe; Latin-1 holds any byte.
    """
    encodings = ["utf-8-sig", "cp1252"]
    if content.startswith(_WIDE_MARKS):
        encodings.insert(0, "utf-16")
    for encoding in encodings:
        try:
            return content.decode(encoding), _SPOKEN[encoding]
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1"), "Latin-1"


def tidy(text: str) -> str:
    """Line ends, tabs and runs of blanks to single blanks; invisible characters dropped."""
    return " ".join(without_invisible(text).split())


def tidy_lines(text: str) -> str:
    """Each line tidied; empty ones dropped."""
    return "\n".join(line for line in map(tidy, text.splitlines()) if line)


def without_invisible(text: str) -> str:
    """Without what `invisible` names."""
    return "".join(c for c in text if not invisible(c))


def shortened(text: str, most: int) -> str:
    """At most so many characters on one line, with a sign where there were more."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rstrip()}…"


def invisible(character: str) -> bool:
    """Whether it shows nothing and yet would be read: control and format characters, halves of
    surrogate pairs. Blanks and line ends are none of them.
    """
    if character.isspace() or character in _JOINERS:
        return False
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"}
