"""The caption of every picture: from a folder of captions, a .txt file, metadata, or its own name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.curation.caption_folder import AutoCaption, caption_name, read_note
from studio.curation.caption_text import decode_text, tidy, tidy_lines
from studio.curation.file_names import caption_from_name
from studio.curation.manifest import CaptionSource, Finding
from studio.curation.metadata import read_metadata
from studio.curation.scan import Scan
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError


@dataclass(frozen=True)
class Caption:
    """A picture's text.

    Attributes:
        text: whitespace made single spaces (line ends too, unless lines are kept).
        source: where it came from.
        findings: remarks on that, e.g. an odd encoding.
        raw: the text as it was found.
    """

    text: str
    source: CaptionSource
    findings: tuple[Finding, ...] = ()
    raw: str = ""


def read_captions(
    scan: Scan, *, keep_lines: bool = False, folder: Path | None = None
) -> tuple[dict[str, Caption], list[Finding]]:
    """Captions by picture name, and what is to be said of the metadata files and ``folder``.

    A .txt file of the same name in ``folder`` comes first, then one beside the picture, a metadata
    line, the file name. An empty .txt file is an empty caption: someone wanted it so.

    Args:
        keep_lines: a text of several lines stays one.
        folder: the recipe's ``caption_folder``.

    Raises:
        DatasetError: there is no such ``folder``, or what it says of its captions is damaged.
    """
    texts, findings = read_metadata(scan)
    composed = {unicodedata.normalize("NFC", name): text for name, text in texts.items()}
    own = _OwnFolder(folder, scan) if folder is not None else None
    captions = {}
    for name in scan.pictures:
        stem = name.rpartition(".")[0]
        from_metadata = composed.get(unicodedata.normalize("NFC", name))
        if own is not None and name in own.files:
            captions[name] = own.caption(name, keep_lines=keep_lines)
        elif stem in scan.texts:
            captions[name] = _from_txt(scan.source / scan.texts[stem], keep_lines=keep_lines)
        elif from_metadata is not None:
            captions[name] = _caption(from_metadata, "metadata", keep_lines=keep_lines)
        else:
            text = caption_from_name(stem.rpartition("/")[2])
            captions[name] = Caption(text, "file_name" if text else "none", raw=text)
    return captions, [*findings, *(own.findings(captions) if own else ())]


def captions_of(scan: Scan, settings: DatasetSettings) -> tuple[dict[str, Caption], list[Finding]]:
    """`read_captions` as a recipe's ``dataset:`` section has it."""
    folder = Path(settings.caption_folder).expanduser() if settings.caption_folder else None
    return read_captions(scan, keep_lines=settings.caption.draw_line, folder=folder)


class _OwnFolder:
    """The recipe's ``caption_folder``."""

    def __init__(self, folder: Path, scan: Scan) -> None:
        if not folder.is_dir():
            raise DatasetError(f"no folder {folder}; check the path of dataset.caption_folder")
        self._folder = folder
        self._note = read_note(folder)
        paths = {name: folder / caption_name(name) for name in scan.pictures}
        self.files = {name: path for name, path in paths.items() if path.is_file()}

    def caption(self, name: str, *, keep_lines: bool) -> Caption:
        caption = _from_txt(self.files[name], keep_lines=keep_lines)
        entry = self._note.get(caption_name(name))
        if entry is None or not entry.wrote(caption.raw):
            return caption
        return Caption(caption.text, "auto", caption.findings, caption.raw)

    def findings(self, captions: Mapping[str, Caption]) -> list[Finding]:
        if not self.files:
            message = (
                f"no caption in {self._folder} has a picture's name; give the folder whose .txt "
                "files are called as the pictures, or leave dataset.caption_folder out"
            )
            return [Finding("caption_folder", "warn", 0, 1, message)]
        auto = [name for name, caption in captions.items() if caption.source == "auto"]
        if not auto:
            return []
        return [_written_by({self._note[caption_name(name)] for name in auto}, auto, len(captions))]


def _written_by(entries: set[AutoCaption], names: list[str], pictures: int) -> Finding:
    models = sorted({entry.model for entry in entries})
    message = (
        f"{len(names)} of {pictures} captions were written by {', '.join(models)}, not by a "
        "person; read them through"
    )
    digests = sorted({entry.model_digest for entry in entries})
    evidence = {"models": models, "model_digests": digests, "pictures": names}
    return Finding("caption_auto", "info", len(names), 0, message, {**evidence})


def _caption(raw: str, source: CaptionSource, *, keep_lines: bool) -> Caption:
    return Caption(tidy_lines(raw) if keep_lines else tidy(raw), source, raw=raw)


def _from_txt(path: Path, *, keep_lines: bool) -> Caption:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the caption file {path.name} cannot be read: {error.strerror}"
        return Caption("", "none", (Finding("caption_file", "warn", 1, 0, message),))
    raw, encoding = decode_text(content)
    text = tidy_lines(raw) if keep_lines else tidy(raw)
    if encoding == "UTF-8":
        return Caption(text, "txt", raw=raw)
    message = f"{path.name} is not UTF-8 and was read as {encoding}; check accents and umlauts"
    finding = Finding("caption_encoding", "info", 1, 0, message, {"encoding": encoding})
    return Caption(text, "txt", (finding,), raw)
