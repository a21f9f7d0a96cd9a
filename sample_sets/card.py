"""card.yaml: what a sample set is, where it comes from, who may use it, and its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

CARD_NAME = "card.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Source(_Part):
    """Where the drawings come from."""

    package: str
    """The npm package, or ``none`` for our own work."""

    version: str | None = None
    """The package's version."""

    licence: str
    """SPDX identifier of the drawings as we received them."""

    credit: str
    """Whom to name when the pictures are shared."""

    changes: str | None = None
    """What we did to the drawings, as CC-BY asks to be told."""


class Expected(_Part):
    """What curation should find in a set that has faults on purpose, by file name."""

    minority: tuple[str, ...]
    """Pictures of the other material."""

    look_alikes: tuple[str, ...]
    """The majority's material in the minority's colours: to call them strangers is wrong."""

    exact_duplicate: tuple[str, str]
    """The original and the copy, byte for byte."""

    near_duplicate: tuple[str, str]
    """The original and the copy: cropped, resized and compressed."""

    blurred: tuple[str, ...]
    """Pictures out of focus."""

    too_small: tuple[str, ...]
    """Pictures far below the set's resolution."""


class Card(_Part):
    """A sample set's label."""

    name: str
    """The folder's name."""

    title: str
    """The set in a few words."""

    description: str
    """What the pictures show, how they look and what the set is for."""

    pictures: int
    """How many pictures there are."""

    resolution: int
    """Side of a picture in pixels."""

    licence: str
    """SPDX identifier of the pictures as they lie here."""

    source: Source
    """Where the drawings come from."""

    made_by: str
    """The command that makes the folder anew."""

    made_with: dict[str, str]
    """Versions of the packages that decide the pictures' bytes."""

    seed: int
    """Start of the random streams; 0 where nothing is drawn by chance."""

    digest: str = ""
    """SHA-256 over the names and bytes of all files but this one."""

    expected: Expected | None = None
    """Faults on purpose."""

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card of the set in ``folder``.

        Raises:
            pydantic.ValidationError: a field is missing, unknown or of the wrong type.
        """
        return cls.model_validate(yaml.safe_load((folder / CARD_NAME).read_text("utf-8")))

    def to_yaml(self) -> str:
        content = self.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=96)


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names, lengths and bytes in the names' order; the card itself does not count."""
    sha = hashlib.sha256()
    for name in sorted(files):
        if name != CARD_NAME:
            sha.update(f"{name}\0{len(files[name])}\0".encode())
            sha.update(files[name])
    return sha.hexdigest()


def digest_of_folder(folder: Path) -> str:
    """``digest_of`` for the files that lie in ``folder``."""
    return digest_of({path.name: path.read_bytes() for path in folder.iterdir()})
