"""Whether there are enough pictures, and what more of them would be worth."""

from __future__ import annotations

from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import View

_SHOWINGS = 120  # of each picture, in a usual run
_STYLE_PICTURES = 10  # below that a style cannot be told from what happens to be on the pictures


class SetSize(SetCheck):
    """Score: pictures kept.

    Blocks the run below the least number, warns below the advised one, remarks below an ample one.
    """

    name = "set_size"

    def __init__(self, min_pictures: int, advised_pictures: int, ample_pictures: int) -> None:
        self.min_pictures = min_pictures
        self.advised_pictures = advised_pictures
        self.ample_pictures = ample_pictures

    def examine(self, views: Sequence[View]) -> SetFindings:
        finding = self._of(len(views))
        return SetFindings({}, (finding,) if finding else ())

    def _of(self, kept: int) -> Finding | None:
        if kept < self.min_pictures:
            message = f"only {kept} picture(s) can be used; at least {self.min_pictures} are needed"
            return self.finding("block", kept, self.min_pictures, message)
        if kept < self.advised_pictures:
            message = f"{kept} pictures are few; {self._worth(kept)}"
            return self.finding("warn", kept, self.advised_pictures, message)
        if kept < self.ample_pictures:
            message = (
                f"{kept} pictures are enough to start with; {self.ample_pictures} of the same kind "
                f"and quality would show each {_SHOWINGS * kept // self.ample_pictures} instead of "
                f"{_SHOWINGS} times in as many steps, and the adapter would copy less"
            )
            return self.finding("info", kept, self.ample_pictures, message)
        return None

    def _worth(self, kept: int) -> str:
        steps = kept * _SHOWINGS
        if kept < _STYLE_PICTURES:
            return (
                f"one subject can be learned from them, in about {steps} steps at {_SHOWINGS} for "
                f"each, but no style: that takes {self.advised_pictures} or more"
            )
        less = _SHOWINGS * kept // self.advised_pictures
        return (
            f"in {steps} steps each is seen {_SHOWINGS} times and partly learned by heart; with "
            f"{self.advised_pictures} of the same kind it would be {less} times, and the adapter "
            "generalises better"
        )
