"""Which files of a folder are pictures. Only names are read here, in an order that never varies."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from studio.curation.file_kind import kind_of
from studio.curation.manifest import Finding
from studio.errors import DatasetError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
METADATA_NAMES = ("metadata.jsonl", "metadata.csv")
JUNK_FOLDERS = ("__MACOSX",)


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
    for name in sorted(_walk(source, found.findings)):
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


def _walk(source: Path, findings: list[Finding]) -> Iterator[str]:
    """Names of all plain files below ``source``; remarks on what is neither file nor folder."""
    top = source.stat()
    seen = {(top.st_dev, top.st_ino)}
    folders = [""]
    while folders:  # no recursion: a hostile archive nests deeper than Python calls
        folder = folders.pop()
        try:
            with os.scandir(source / folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            findings.append(_unreadable_folder(folder.rstrip("/") or source.name, error))
            continue
        for entry in entries:
            name = folder + entry.name
            if entry.name.startswith(".") or entry.name in JUNK_FOLDERS:
                continue
            status = _status(Path(entry))
            if status and stat.S_ISREG(status.st_mode):
                yield name
            elif not status or not stat.S_ISDIR(status.st_mode):
                findings += _not_a_file(name, Path(entry))
            elif (identity := (status.st_dev, status.st_ino)) in seen:
                findings.append(_seen_before(name))
            else:
                seen.add(identity)
                folders.append(f"{name}/")


def _is_utf8(name: str) -> bool:
    """False for names that Linux allows and JSON does not: bytes that are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _unusable_name(name: str) -> Finding:
    shown = _shown(name)
    message = f"{shown} is left out: its name is not valid UTF-8; rename it"
    return Finding("file_name", "warn", 1, 0, message, {"file": shown})


def _unreadable_folder(name: str, error: OSError) -> Finding:
    shown = _shown(name)
    message = f"folder {shown} is left out: {error.strerror}; check its permissions"
    return Finding("folder", "warn", 1, 0, message, {"folder": shown})


def _seen_before(name: str) -> Finding:
    shown = _shown(name)
    message = f"folder {shown} is a link to one that is read already; its pictures count once"
    return Finding("folder", "info", 1, 0, message, {"folder": shown})


def _not_a_file(name: str, path: Path) -> Iterator[Finding]:
    """Of what is neither file nor folder, what is called like a picture."""
    if PurePosixPath(name).suffix.lower() in EXTENSIONS:
        shown = _shown(name)
        message = f"{shown} is left out: {_what_it_is(path)}; put the picture itself there"
        yield Finding("file", "warn", 1, 0, message, {"file": shown})


def _what_it_is(path: Path) -> str:
    try:
        return f"it is {kind_of(path.stat().st_mode)}, no file"
    except FileNotFoundError:
        return "it is a link to a file that is not there"
    except OSError as error:
        circle = error.errno == errno.ELOOP
        return "it is a link to itself" if circle else f"it cannot be read ({error.strerror})"


def _status(path: Path) -> os.stat_result | None:
    """Of what links lead to; None where that is nothing, or nothing that may be looked at."""
    try:
        return path.stat()
    except OSError:
        return None


def _shown(name: str) -> str:
    """``name`` as JSON can hold it: bytes that are no UTF-8 written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
