"""Captions that many pictures share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import View

_MOST = 0.5  # of the pictures; above, a name tells of a series of files and not of what each shows
_MIN_PICTURES = 3  # fewer of one name are chance
_DIGITS = re.compile(r"\d+")


class CaptionDuplicate(SetCheck):
    """Score: share of the captioned pictures whose caption another one has too, or whose file has the
    same name but for its number.

    A remark only where someone wrote them: for pictures of one subject a single caption is right. Warns
    where most are one name of files, such as ``drawing_00.png``: nobody wrote that for a caption.
    """

    name = "caption_duplicate"

    def examine(self, views: Sequence[View]) -> SetFindings:
        finding = self._of_names(views) or self._of_captions(views)
        return SetFindings({}, (finding,) if finding else ())

    def _of_names(self, views: Sequence[View]) -> Finding | None:
        names = Counter(
            _without_number(view.caption) for view in views if view.caption_source == "file_name"
        )
        name, count = max(names.items(), key=lambda item: item[1], default=("", 0))
        if count < _MIN_PICTURES or count <= _MOST * len(views):
            return None
        message = (
            f'{count} of {len(views)} pictures have only their file\'s name for a caption, "{name}", '
            "which does not say what each shows; write captions in the dashboard or into .txt files of "
            "the same names, or have all written: studio curate --auto-captions MODEL --all-captions"
        )
        return self.finding("warn", count / len(views), _MOST, message, caption=name)

    def _of_captions(self, views: Sequence[View]) -> Finding | None:
        counts = Counter(view.caption for view in views if view.caption)
        shared = {caption: n for caption, n in counts.items() if n > 1}
        if not shared:
            return None
        pictures = sum(shared.values())
        most = min(shared, key=lambda caption: (-shared[caption], caption))
        message = (
            f"{pictures} of {len(views)} pictures share a caption with another; "
            f'the commonest, "{most}", stands at {shared[most]}'
        )
        return self.finding("info", pictures / counts.total(), 0, message, caption=most)


def _without_number(caption: str) -> str:
    return " ".join(_DIGITS.sub(" ", caption).lower().split())
