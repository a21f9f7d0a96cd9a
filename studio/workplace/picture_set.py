"""A set of pictures as its owner has it: where the pictures are, and what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from studio.errors import DatasetError

DEFAULT_BASE = "pocket"
_VERSION = 1


@dataclass(frozen=True)
class PictureSet:
    """What a recipe's ``dataset`` section is made from.

    Attributes:
        name: also its folder's name; validated, never a path.
        source: what recipes get as ``dataset.source``: folder or archive, absolute.
        trigger: word that will call up what is learned; may be empty.
        base_model: the set is judged for its resolution and its tokenizer.
        keep, drop: pictures that were decided on by hand.
        caption_folder: where captions edited by hand lie; empty while there are none.
        caption_edits: how often one was, so that a judgement knows which it has seen.
    """

    name: str
    source: str
    trigger: str = ""
    base_model: str = DEFAULT_BASE
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    caption_folder: str = ""
    caption_edits: int = 0

    def dataset(self) -> dict[str, Any]:
        """A recipe's ``dataset`` section, with only what differs from the defaults."""
        section: dict[str, Any] = {"source": self.source}
        for key in ("trigger", "caption_folder"):
            if getattr(self, key):
                section[key] = getattr(self, key)
        decided = {key: list(names) for key in ("keep", "drop") if (names := getattr(self, key))}
        return {**section, "curation": decided} if decided else section

    def word_on(self, picture: str) -> bool | None:
        """What was decided on a picture: to keep it, to drop it, or nothing."""
        if picture in self.keep:
            return True
        return False if picture in self.drop else None

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {"version": _VERSION, **{f.name: getattr(self, f.name) for f in fields(self)}}

    @classmethod
    def from_json(cls, content: Any, place: object) -> PictureSet:
        """Raises:
        DatasetError: it is not what `to_json` wrote.
        """
        try:
            if content.pop("version") != _VERSION:
                raise ValueError("it is of another studio's version")
            keep, drop = (tuple(map(str, content.pop(key))) for key in ("keep", "drop"))
            return cls(**content, keep=keep, drop=drop)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{place} cannot be read ({type(error).__name__}: {error}); remove its folder and add "
                "the set again, the pictures are elsewhere"
            ) from error
