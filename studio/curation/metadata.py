"""Captions from ``metadata.jsonl`` and ``metadata.csv``, as image folders on the hub have them."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path

from studio.curation.caption_text import decode_text
from studio.curation.manifest import Evidence, Finding
from studio.curation.scan import Scan

CAPTION_COLUMNS = ("text", "caption")
_SHOWN = 5

# Line number, file name, caption; the last two None where the line cannot be used.
_Row = tuple[int, str | None, str | None]


def read_metadata(scan: Scan) -> tuple[dict[str, str], list[Finding]]:
    """Captions by picture name, and one finding for each file that is not altogether right.

    ``file_name`` is relative to the folder of the metadata file. Where two files name a picture,
    the first in alphabetical order counts.
    """
    texts: dict[str, str] = {}
    findings: list[Finding] = []
    pictures = set(scan.pictures)
    for name in scan.metadata:
        bad: list[int] = []
        missing: list[str] = []
        text, encoding = _read(scan.source / name)
        for line, file_name, caption in _rows(name, text):
            if file_name is None or caption is None:
                bad.append(line)
                continue
            picture = _below(name, file_name)
            texts.setdefault(picture, caption)
            if picture not in pictures:
                missing.append(file_name)
        findings += _findings(name, encoding, bad, missing)
    return texts, findings


def _read(path: Path) -> tuple[str | None, str]:
    try:
        return decode_text(path.read_bytes())
    except OSError:
        return None, "UTF-8"


def _rows(name: str, text: str | None) -> Iterator[_Row]:
    if text is None:
        yield 1, None, None
    else:
        yield from _json_rows(text) if name.lower().endswith(".jsonl") else _csv_rows(text)


def _json_rows(text: str) -> Iterator[_Row]:
    # Not splitlines(): JSON strings may hold U+2028 and the like, which are no line ends here.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        yield number, *_fields(entry if isinstance(entry, dict) else {})


def _csv_rows(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    try:
        for entry in reader:
            yield reader.line_num, *_fields({k.strip(): v for k, v in entry.items() if k})
    except csv.Error:
        yield reader.line_num, None, None


def _fields(entry: dict[str, object]) -> tuple[str | None, str | None]:
    file_name = entry.get("file_name")
    caption = next((entry[c] for c in CAPTION_COLUMNS if isinstance(entry.get(c), str)), None)
    if not isinstance(file_name, str) or not file_name or not isinstance(caption, str):
        return None, None
    return file_name, caption


def _below(metadata_name: str, file_name: str) -> str:
    """The picture's name below the source folder."""
    folder = posixpath.dirname(metadata_name)
    return posixpath.normpath(posixpath.join(folder, file_name.replace("\\", "/")))


def _findings(name: str, encoding: str, bad: list[int], missing: list[str]) -> Iterator[Finding]:
    if encoding != "UTF-8":
        message = f"{name} is not UTF-8 and was read as {encoding}; check accents and umlauts"
        evidence: dict[str, Evidence] = {"file": name, "encoding": encoding}
        yield Finding("caption_encoding", "info", 1, 0, message, evidence)
    if bad:
        lines = ", ".join(map(str, bad[:_SHOWN])) + (" …" if len(bad) > _SHOWN else "")
        message = (
            f"{name}: {len(bad)} unusable line(s) passed over (line {lines}); "
            "each needs file_name and text or caption"
        )
        yield Finding("metadata", "warn", len(bad), 0, message, {"file": name, "lines": lines})
    if missing:
        message = f"{name} names {len(missing)} picture(s) that are not there, e.g. {missing[0]}"
        yield Finding("metadata", "info", len(missing), 0, message, {"file": name})
