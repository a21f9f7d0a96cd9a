"""Pictures of which nothing is said."""

from __future__ import annotations

from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View


class CaptionMissing(PictureCheck):
    """Score: characters in the caption."""

    name = "caption_missing"

    def examine(self, view: View) -> Finding | None:
        if view.caption:
            return None
        message = "has no caption; write one in a .txt file of the same name"
        if view.caption_source != "none":
            message = "has an empty caption; write what is to be seen into it"
        return self.finding("warn", 0, 1, message)
