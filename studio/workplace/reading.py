"""How a base model sees a set: at which resolution, and how much of a caption it reads. No torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from studio.bases.identity import BaseIdentity, identify_base, identify_published
from studio.curation.reading import CaptionReader
from studio.curation.settings import DatasetSettings
from studio.errors import BaseModelError
from studio.examples.caption_reader import caption_reader
from studio.workplace.picture_set import PictureSet
from studio.workplace.roots import Roots


def base_of(picture_set: PictureSet) -> BaseIdentity:
    """The set's base model; of a well-known one that is not on this machine its description, which ships.

    Raises:
        BaseModelError: it is not known.
    """
    try:
        return identify_base(picture_set.base_model)
    except BaseModelError:
        published = identify_published(picture_set.base_model)
        if published is None:
            raise
        return published


def settings_of(picture_set: PictureSet) -> DatasetSettings:
    return DatasetSettings.model_validate(picture_set.dataset())


def reader_of(picture_set: PictureSet) -> CaptionReader | None:
    """Counts tokens as the base model does; None where its tokenizer is not here."""
    return _reader(picture_set.base_model, picture_set.trigger)


def allowed_base(name: str, roots: Roots) -> str:
    """A base model's name as a person gave it; where it is a path, only one that may be read.

    Raises:
        RootsError: it leads elsewhere.
        BaseModelError: there is no such base model.
    """
    name = name.strip()
    path = Path(name).expanduser()
    if path.is_absolute() or path.exists() or ".." in path.parts:
        name = str(roots.allowed(path))
    base_of(PictureSet("any", "any", base_model=name))
    return name


@lru_cache(8)
def _reader(base_model: str, trigger: str) -> CaptionReader | None:
    picture_set = PictureSet("any", "any", trigger=trigger, base_model=base_model)
    try:
        return caption_reader(base_of(picture_set), settings_of(picture_set))
    except BaseModelError:
        return None
