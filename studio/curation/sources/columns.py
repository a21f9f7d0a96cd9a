"""Which columns of a table hold the pictures and their captions. Imports `datasets` where it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.curation.sources.caption_columns import CAPTION_COLUMNS
from studio.errors import DatasetError

IMAGE_COLUMNS = ("image", "img", "picture", "photo", "jpg", "png", "webp", "jpeg")
NO_CAPTIONS = "none"


@dataclass(frozen=True)
class Columns:
    """What is read of each row.

    Attributes:
        image: the pictures' column.
        caption: the captions' column; None where the pictures come without.
        class_names: what the numbers of the captions' column stand for, if it holds classes.
    """

    image: str
    caption: str | None
    class_names: tuple[str, ...] = ()

    @property
    def read(self) -> list[str]:
        """The names of the columns, without repeats."""
        return list(dict.fromkeys(name for name in (self.image, self.caption) if name is not None))

    def caption_of(self, row: Mapping[str, Any]) -> str | None:
        """The text; of several the first; None where there is none."""
        value = row[self.caption] if self.caption is not None else None
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, int) and 0 <= value < len(self.class_names):
            return self.class_names[value]
        return value if isinstance(value, str) else None


def choose_columns(features: Mapping[str, Any], caption_column: str, title: str) -> Columns:
    """The pictures' and the captions' column.

    Args:
        features: of a `datasets.Dataset`, by column.
        caption_column: the user's word; empty: one of the usual names; ``none``: no captions.
        title: the source, in messages.

    Raises:
        DatasetError: no column holds pictures, or it is unclear which holds captions.
    """
    image = _image_column(features)
    if image is None:
        raise DatasetError(
            f"{title} has no column of pictures among {_listed(features)}; needed: one of the type "
            "Image, or of bytes and path"
        )
    caption = _caption_column(features, caption_column, title)
    names = getattr(features[caption], "names", None) if caption is not None else None
    return Columns(image, caption, tuple(names or ()))


def _image_column(features: Mapping[str, Any]) -> str | None:
    found = [name for name, feature in features.items() if _holds_pictures(name, feature)]
    usual = [name for name in IMAGE_COLUMNS if name in found]
    return next(iter([*usual, *found]), None)


def _holds_pictures(name: str, feature: Any) -> bool:
    from datasets import Image, Value

    if isinstance(feature, dict):
        return {"bytes", "path"} <= feature.keys()
    binary = isinstance(feature, Value) and "binary" in str(feature.dtype)
    return isinstance(feature, Image) or (binary and name in IMAGE_COLUMNS)


def _caption_column(features: Mapping[str, Any], given: str, title: str) -> str | None:
    if given:
        if given in features and _holds_text(features[given]):
            return given
        if given == NO_CAPTIONS:
            return None
        what = "holds no text" if given in features else "is no column"
        raise DatasetError(
            f"dataset.caption_column: {given} {what} of {title}; {_choice(features)}"
        )
    texts = [name for name, feature in features.items() if _holds_text(feature)]
    usual = [name for name in CAPTION_COLUMNS if name in texts]
    if texts and not usual:
        raise DatasetError(
            f"{title} has no column called {', '.join(CAPTION_COLUMNS)}; {_choice(features)}"
        )
    return next(iter(usual), None)


def _choice(features: Mapping[str, Any]) -> str:
    return (
        f"its columns are {_listed(features)}; name one with --set dataset.caption_column=NAME, or "
        f"{NO_CAPTIONS} for pictures without captions"
    )


def _holds_text(feature: Any) -> bool:
    from datasets import ClassLabel, Value

    inner = getattr(feature, "feature", feature)  # of a list of texts, the text
    is_text = isinstance(inner, Value) and "string" in str(inner.dtype)
    return is_text or isinstance(feature, ClassLabel)


def _listed(features: Mapping[str, Any]) -> str:
    return ", ".join(features) or "none at all"
