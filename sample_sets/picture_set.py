"""A sample set in memory, and its way to disk."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from sample_sets.card import CARD_NAME, Card, digest_of
from studio import atomic
from studio.errors import DatasetError

CC_BY = Path(__file__).with_name("CC-BY-4.0.txt")


class PictureSet:
    """Pictures as encoded bytes, a caption beside each, and the licence's text."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, name: str, content: bytes, caption: str) -> None:
        """Put the picture ``name`` and its caption into the set.

        Raises:
            ValueError: the name is taken.
        """
        caption_name = str(Path(name).with_suffix(".txt"))
        if name in self.files or caption_name in self.files:
            raise ValueError(f"two pictures of one name: {name}")
        self.files[name] = content
        self.files[caption_name] = f"{caption}\n".encode()

    def add_licence(self, notice: str) -> None:
        """Put a LICENSE beside the pictures: our notice, then CC-BY 4.0 in full."""
        text = f"{notice}\n\n{'-' * 72}\n\n{CC_BY.read_text('utf-8')}"
        self.files["LICENSE"] = text.encode()

    @property
    def picture_count(self) -> int:
        return sum(name.endswith(".txt") for name in self.files)

    def write(self, folder: Path, card: Card) -> Card:
        """Write the whole set with its card, digest filled in; an older version of it is replaced.

        Raises:
            DatasetError: ``folder`` holds something else.
        """
        _refuse_strangers(folder, card.name)
        card = card.model_copy(update={"digest": digest_of(self.files)})
        with atomic.replacing_folder(folder) as temporary:
            for name, content in self.files.items():
                (temporary / name).write_bytes(content)
            (temporary / CARD_NAME).write_text(card.to_yaml(), "utf-8")
        return card


def png(picture: Image.Image) -> bytes:
    """``picture`` as an optimised PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def slug(caption: str) -> str:
    """A file name for a caption, e.g. ``red-apple`` for ``red apple``."""
    return re.sub(r"[^a-z0-9]+", "-", caption.lower()).strip("-")


def _refuse_strangers(folder: Path, name: str) -> None:
    if folder.exists() and not ((folder / CARD_NAME).exists() and Card.read(folder).name == name):
        raise DatasetError(
            f"{folder} is not the sample set {name}: give a folder that does not exist yet"
        )
