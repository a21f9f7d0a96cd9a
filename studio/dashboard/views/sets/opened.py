"""The set that the page shows, as it stands in this run of the page."""

from __future__ import annotations

from dataclasses import dataclass

from studio.workplace.judgement import Judgement
from studio.workplace.picture_set import PictureSet
from studio.workplace.picture_sets import PictureSets
from studio.workplace.set_folder import SetFolder


@dataclass(frozen=True)
class OpenedSet:
    """Read once for each run of the page.

    Attributes:
        judgement: the newest with today's decisions applied; None before the first.
    """

    sets: PictureSets
    place: SetFolder
    picture_set: PictureSet
    judgement: Judgement | None

    @classmethod
    def of(cls, sets: PictureSets, name: str) -> OpenedSet:
        """Raises:
        DatasetError: there is no such set.
        """
        place = sets.folder(name)
        picture_set = place.read()
        judgement = place.judgement()
        return cls(sets, place, picture_set, judgement and judgement.with_words(picture_set))

    @property
    def name(self) -> str:
        return self.picture_set.name

    @property
    def judged(self) -> Judgement:
        """The judgement, where the page has got so far that there must be one."""
        assert self.judgement is not None
        return self.judgement
