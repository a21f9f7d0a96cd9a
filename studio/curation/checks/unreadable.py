"""Files that hold no whole picture. The only check that the user cannot overrule."""

from __future__ import annotations

from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View


class Unreadable(PictureCheck):
    """Score: 1 for a file that cannot be decoded. Comes first: there is nothing else to look at."""

    name = "unreadable"

    def examine(self, view: View) -> Finding | None:
        if not view.unreadable:
            return None
        return self.finding("block", 1, 0, f"cannot be used: {view.unreadable}")
