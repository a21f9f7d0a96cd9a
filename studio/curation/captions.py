"""The caption of every picture: a .txt file beside it, a metadata file, or its own name."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.curation.file_names import caption_from_name
from studio.curation.manifest import CaptionSource, Finding
from studio.curation.metadata import read_metadata
from studio.curation.scan import Scan


@dataclass(frozen=True)
class Caption:
    """A picture's text, whitespace made single spaces (line ends too, unless lines are kept).

    Attributes:
        findings: remarks on where it came from, e.g. an odd encoding.
    """

    text: str
    source: CaptionSource
    findings: tuple[Finding, ...] = ()


def read_captions(
    scan: Scan, *, keep_lines: bool = False
) -> tuple[dict[str, Caption], list[Finding]]:
    """Captions by picture name, and what is to be said of the metadata files.

    A .txt file comes before a metadata line, that before the file name. An empty .txt file is an
    empty caption: someone wanted it so. With ``keep_lines`` a text of several lines stays one.
    """
    tidied = tidy_lines if keep_lines else tidy
    texts, findings = read_metadata(scan)
    composed = {unicodedata.normalize("NFC", name): text for name, text in texts.items()}
    captions = {}
    for name in scan.pictures:
        stem = name.rpartition(".")[0]
        from_metadata = composed.get(unicodedata.normalize("NFC", name))
        if stem in scan.texts:
            captions[name] = _from_txt(scan.source / scan.texts[stem], tidied)
        elif from_metadata is not None:
            captions[name] = Caption(tidied(from_metadata), "metadata")
        else:
            text = caption_from_name(stem.rpartition("/")[2])
            captions[name] = Caption(text, "file_name" if text else "none")
    return captions, findings


def tidy(text: str) -> str:
    """Line ends, tabs and runs of blanks to single blanks; control characters dropped."""
    words = " ".join(text.split())
    return "".join(c for c in words if unicodedata.category(c) not in {"Cc", "Cs"})


def tidy_lines(text: str) -> str:
    """Each line tidied; empty ones dropped."""
    return "\n".join(line for line in map(tidy, text.splitlines()) if line)


def _from_txt(path: Path, tidied: Callable[[str], str]) -> Caption:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the caption file {path.name} cannot be read: {error.strerror}"
        return Caption("", "none", (Finding("caption_file", "warn", 1, 0, message),))
    text, is_utf8 = decode_text(content)
    if is_utf8:
        return Caption(tidied(text), "txt")
    message = f"{path.name} is not UTF-8 and was read as Latin-1; check accents and umlauts"
    return Caption(tidied(text), "txt", (Finding("caption_encoding", "info", 1, 0, message),))


def decode_text(content: bytes) -> tuple[str, bool]:
    """The text, and whether it was UTF-8 (with or without byte order mark) rather than Latin-1."""
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return content.decode("latin-1"), False
