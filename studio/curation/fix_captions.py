"""Captions mended where a program can mend them, written beside and never over.

Mended: text read in the wrong encoding, invisible characters and whitespace, markup, other spellings
of the trigger, ends that would never be read. Left to the user: words that are lost, wrong or missing.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ftfy

from studio import atomic
from studio.curation.caption_folder import (
    caption_name,
    default_caption_folder,
    require_beside,
)
from studio.curation.caption_markup import without_markup
from studio.curation.caption_text import tidy, tidy_lines
from studio.curation.captions import Caption, captions_of
from studio.curation.reading import CaptionReader
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources.folder import pictures_folder
from studio.curation.trigger import holds, misspellings, respelled, with_trigger
from studio.errors import DatasetError


@dataclass(frozen=True)
class FixedCaption:
    """One caption that was not right.

    Attributes:
        picture: name of the picture.
        before, after: its text.
        why: what was mended, in words.
    """

    picture: str
    before: str
    after: str
    why: tuple[str, ...]

    def lines(self) -> list[str]:
        """The change as lines to print: what was mended, the words before, the words after."""
        before, after = _marked(self.before, self.after)
        return [f"{self.picture}: {', '.join(self.why)}", f"  - {before}", f"  + {after}"]


@dataclass(frozen=True)
class _Mending:
    """One kind of mending: its name, and what it makes of a text."""

    name: str
    mend: Callable[[str], str]


def fix_captions(
    settings: DatasetSettings, *, reader: CaptionReader | None = None
) -> list[FixedCaption]:
    """What could be better in a set's captions, by picture; nothing is written.

    Captions that come from file names or that there are none of are left alone.

    Args:
        settings: the recipe's ``dataset:`` section.
        reader: the base model's; without it no caption is shortened.

    Raises:
        DatasetError: as `studio.curation.curate`.
    """
    captions, _ = captions_of(scan(pictures_folder(settings)), settings)
    written = {n: c for n, c in captions.items() if c.source in ("txt", "metadata", "auto")}
    mendings = _mendings(settings, list(written.values()), reader)
    fixed = (_fixed(name, caption, mendings) for name, caption in written.items())
    return [caption for caption in fixed if caption]


def write_fixed_captions(
    fixed: Sequence[FixedCaption], settings: DatasetSettings, folder: Path | None = None
) -> Path:
    """Write each text as a .txt file of its picture's name; returns the folder.

    Args:
        folder: by default ``<source>-captions``, beside the pictures.

    Raises:
        DatasetError: a file of that name is there already, or the folder is among the pictures;
            nothing is written then.
    """
    source = Path(settings.source).expanduser()
    folder = folder.expanduser() if folder else default_caption_folder(settings.source)
    require_beside(folder, source)
    texts = _by_file(fixed)
    taken = [name for name in texts if (folder / name).exists()]
    if taken:
        raise DatasetError(
            f"{folder / taken[0]} exists already and is not written over ({len(taken)} such); "
            "give another folder for the captions, or remove it"
        )
    for name, text in texts.items():
        atomic.write_text(folder / name, text + "\n")
    return folder


def _by_file(fixed: Sequence[FixedCaption]) -> dict[str, str]:
    """Texts by file name; pictures that share a file share its text."""
    texts: dict[str, str] = {}
    for caption in fixed:
        name = caption_name(caption.picture)
        if texts.setdefault(name, caption.after) != caption.after:
            raise DatasetError(
                f"two pictures would have {name} as their caption file, with different texts; "
                "rename one of them"
            )
    return texts


def _mendings(
    settings: DatasetSettings, captions: Sequence[Caption], reader: CaptionReader | None
) -> list[_Mending]:
    tidied = tidy_lines if settings.caption.draw_line else tidy
    mendings = [
        _Mending("encoding", ftfy.fix_encoding),
        _Mending("markup", without_markup),
        _Mending("whitespace and invisible characters", tidied),
    ]
    if settings.trigger:
        mend = _trigger_everywhere([tidied(c.raw) for c in captions], settings.trigger, reader)
        mendings.append(_Mending("trigger", mend))
    if reader is not None:
        mendings.append(_Mending("what is never read", lambda text: _as_read(text, reader)))
    return mendings


def _fixed(name: str, caption: Caption, mendings: Sequence[_Mending]) -> FixedCaption | None:
    # Blanks at the ends are every editor's, and nobody's mistake.
    text = caption.raw.strip()
    why = ["saved as UTF-8"] if any(f.check == "caption_encoding" for f in caption.findings) else []
    for mending in mendings:
        mended = mending.mend(text)
        if mended != text:
            why.append(mending.name)
        text = mended
    return FixedCaption(name, caption.raw.strip(), text, tuple(why)) if why else None


def _trigger_everywhere(
    captions: Sequence[str], trigger: str, reader: CaptionReader | None
) -> Callable[[str], str]:
    """In one spelling; and put in front where it is missing, if any caption has it."""
    slips = [
        word
        for word in misspellings(captions, trigger)
        if reader is None or len(reader.pieces(word)) > 1
    ]
    in_some = any(holds(respelled(caption, slips, trigger), trigger) for caption in captions)

    def mend(text: str) -> str:
        text = respelled(text, slips, trigger)
        return with_trigger(text, trigger) if in_some and text else text

    return mend


def _as_read(text: str, reader: CaptionReader) -> str:
    """The text, each line cut behind the last whole tag that is read; of a first tag that is too
    long by itself, behind the last whole word.
    """
    return "\n".join(_line_as_read(line, reader) for line in text.split("\n"))


def _line_as_read(line: str, reader: CaptionReader) -> str:
    def loses(text: str) -> bool:
        return bool(reader.read(text).lost)

    if not loses(line):
        return line
    for separator in (",", " "):
        parts = line.split(separator)

        def begin(count: int, parts: list[str] = parts, separator: str = separator) -> str:
            return separator.join(parts[:count])

        whole = bisect_left(range(1, len(parts) + 1), x=True, key=lambda n: loses(begin(n)))
        if whole:
            return begin(whole).rstrip(" ,")
    return line


def _marked(before: str, after: str) -> tuple[str, str]:
    """Both texts in one line, with what differs in brackets."""
    old, new = before.split(), after.split()
    first, second = [], []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        first.append(_bracketed(old[a:b], marked=kind != "equal"))
        second.append(_bracketed(new[c:d], marked=kind != "equal"))
    return " ".join(filter(None, first)), " ".join(filter(None, second))


def _bracketed(words: Sequence[str], *, marked: bool) -> str:
    text = " ".join(words)
    return f"[{text}]" if marked and text else text
