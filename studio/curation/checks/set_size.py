"""Whether there are enough pictures."""

from __future__ import annotations

from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.view import View


class SetSize(SetCheck):
    """Score: pictures kept. Blocks the run below the least number, warns below the advised one."""

    name = "set_size"

    def __init__(self, min_pictures: int, advised_pictures: int) -> None:
        self.min_pictures = min_pictures
        self.advised_pictures = advised_pictures

    def examine(self, views: Sequence[View]) -> SetFindings:
        kept = len(views)
        if kept < self.min_pictures:
            message = f"only {kept} picture(s) can be used; at least {self.min_pictures} are needed"
            return SetFindings({}, (self.finding("block", kept, self.min_pictures, message),))
        if kept < self.advised_pictures:
            message = (
                f"{kept} pictures are few; {self.advised_pictures} or more of the same kind give "
                "an adapter that generalises"
            )
            return SetFindings({}, (self.finding("warn", kept, self.advised_pictures, message),))
        return SetFindings({})
