"""Captions that many pictures share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.view import View


class CaptionDuplicate(SetCheck):
    """Score: share of the captioned pictures whose caption another one has too. A remark only: for
    pictures of one subject a single caption is right.
    """

    name = "caption_duplicate"

    def examine(self, views: Sequence[View]) -> SetFindings:
        counts = Counter(view.caption for view in views if view.caption)
        shared = {caption: n for caption, n in counts.items() if n > 1}
        if not shared:
            return SetFindings({})
        pictures = sum(shared.values())
        most = min(shared, key=lambda caption: (-shared[caption], caption))
        message = (
            f"{pictures} of {len(views)} pictures share a caption with another; "
            f'the commonest, "{most}", stands at {shared[most]}'
        )
        finding = self.finding("info", pictures / counts.total(), 0, message, caption=most)
        return SetFindings({}, (finding,))
