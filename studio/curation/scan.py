"""Which files of a folder are pictures. Only names are read here, in an order that never varies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from studio.curation.manifest import Finding
from studio.errors import DatasetError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
METADATA_NAMES = ("metadata.jsonl", "metadata.csv")
_JUNK_FOLDERS = ("__MACOSX",)


@dataclass
class Scan:
    """What stands in a folder.

    Attributes:
        source: the folder.
        pictures: names below ``source`` with forward slashes, sorted.
        texts: caption files, by their name without the ending.
        metadata: names of metadata.jsonl and metadata.csv files, sorted.
        findings: folders and files that had to be left out.
    """

    source: Path
    pictures: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def scan(source: Path) -> Scan:
    """Find pictures, caption files and metadata files, nested folders included.

    Hidden files and folders are skipped; a folder reached twice through links is read once.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    if not source.exists():
        raise DatasetError(f"no folder {source}; check the path of dataset.source")
    if not source.is_dir():
        raise DatasetError(f"{source} is a file; dataset.source must be a folder with pictures")
    found = Scan(source)
    for name in sorted(_walk(source, "", set(), found.findings)):
        _sort_in(name, found)
    if not found.pictures:
        raise DatasetError(
            f"no pictures in {source}: looked for {' '.join(EXTENSIONS)}, nested folders included"
        )
    return found


def _sort_in(name: str, found: Scan) -> None:
    path = PurePosixPath(name)
    stem, ending = name.removesuffix(path.suffix), path.suffix
    if not _is_utf8(name):
        found.findings.append(_unusable_name(name))
    elif ending.lower() in EXTENSIONS:
        found.pictures.append(name)
    elif ending.lower() == ".txt":
        found.texts.setdefault(stem, name)
    elif name.rpartition("/")[2].lower() in METADATA_NAMES:
        found.metadata.append(name)


def _walk(folder: Path, prefix: str, seen: set[str], findings: list[Finding]) -> Iterator[str]:
    """Names of all plain files below ``folder``, each with ``prefix`` in front."""
    seen.add(os.path.realpath(folder))
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        findings.append(_unreadable_folder(prefix or folder.name, error))
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _JUNK_FOLDERS:
            continue
        if entry.is_file():
            yield prefix + entry.name
        elif entry.is_dir() and os.path.realpath(entry.path) not in seen:
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", seen, findings)


def _is_utf8(name: str) -> bool:
    """False for names that Linux allows and JSON does not: bytes that are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _unusable_name(name: str) -> Finding:
    shown = name.encode("utf-8", "backslashreplace").decode()
    message = f"{shown} is left out: its name is not valid UTF-8; rename it"
    return Finding("file_name", "warn", 1, 0, message, {"file": shown})


def _unreadable_folder(name: str, error: OSError) -> Finding:
    message = f"folder {name} is left out: {error.strerror}; check its permissions"
    return Finding("folder", "warn", 1, 0, message, {"folder": name})
