"""Files of several frames: the first is learned from, the others are not looked at."""

from __future__ import annotations

from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import View


class Animated(PictureCheck):
    """Score: frames in the file."""

    name = "animated"

    def score(self, view: View) -> float:
        return view.frames

    def examine(self, view: View) -> Finding | None:
        if view.frames <= 1:
            return None
        message = f"holds {view.frames} frames; only the first is used"
        return self.finding("info", view.frames, 1, message)
