"""Captions in a folder beside the pictures: corrected ones, or such as a program wrote.

A file ``sub/fox.txt`` is the caption of ``sub/fox.png``. Which ones a captioner wrote stands in the
folder's ``captions.json``, with the digest of each text: what the user has since changed is theirs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from studio import atomic
from studio.errors import DatasetError

NOTE_NAME = "captions.json"
_VERSION = 1


@dataclass(frozen=True)
class AutoCaption:
    """Where a caption came from that no person wrote.

    Attributes:
        model: name of the captioner's folder.
        model_digest: SHA-256 over its weights.
        text_digest: SHA-256 of the text as it was written.
    """

    model: str
    model_digest: str
    text_digest: str

    @classmethod
    def of(cls, text: str, model: str, model_digest: str) -> AutoCaption:
        return cls(model, model_digest, _digest(text))

    def wrote(self, text: str) -> bool:
        return _digest(text) == self.text_digest


def default_caption_folder(given: str) -> Path:
    """``pictures-captions`` beside ``pictures`` or ``pictures.zip``; of what lies elsewhere, such as a
    data set of the hub, in the current folder.
    """
    whole = Path(given).expanduser().resolve()
    if whole.exists():
        return whole.with_name(f"{whole.stem if whole.is_file() else whole.name}-captions")
    return Path.cwd() / f"{re.split('[/:]', given)[-1]}-captions"


def caption_name(picture: str) -> str:
    """``sub/fox.txt`` of ``sub/fox.png``."""
    return picture.rpartition(".")[0] + ".txt"


def read_note(folder: Path) -> dict[str, AutoCaption]:
    """By the name of the caption file, what a captioner wrote; empty where there is no note.

    Raises:
        DatasetError: the note is damaged.
    """
    path = folder / NOTE_NAME
    try:
        content = json.loads(path.read_text("utf-8"))
        return {name: AutoCaption(**entry) for name, entry in content["captions"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} cannot be read ({type(error).__name__}: {error}), so it is not known which "
            "captions a program wrote; mend it, or delete it to take them all for your own"
        ) from error


def write_note(folder: Path, captions: Mapping[str, AutoCaption]) -> None:
    """Write the note, sorted by name."""
    entries = {name: asdict(captions[name]) for name in sorted(captions)}
    atomic.write_json(folder / NOTE_NAME, {"version": _VERSION, "captions": entries})


def require_beside(folder: Path, source: Path) -> None:
    """Refuse to write among the pictures.

    Raises:
        DatasetError: ``folder`` is, or lies in, ``source``.
    """
    if folder.resolve().is_relative_to(source.resolve()):
        raise DatasetError(
            f"{folder} is among the pictures of {source}, where nothing is written; give a folder "
            "beside it"
        )


def require_one_each(pictures: Iterable[str]) -> None:
    """Refuse pictures that would share a caption file.

    Raises:
        DatasetError: two names differ in their ending alone.
    """
    first: dict[str, str] = {}
    for name in pictures:
        other = first.setdefault(caption_name(name), name)
        if other != name:
            raise DatasetError(
                f"{other} and {name} would share the caption file {caption_name(name)}; "
                "rename one of them"
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()
