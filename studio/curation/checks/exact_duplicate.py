"""Files that are the same byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import View


class ExactDuplicate(SetCheck):
    """Score: 1 for equal digests. The first by name stays, one that the user pinned before it."""

    name = "exact_duplicate"

    def examine(self, views: Sequence[View]) -> SetFindings:
        first: dict[str, str] = {}
        repeated: dict[str, Finding] = {}
        for view in sorted(views, key=lambda v: (not v.pinned, v.rank)):
            twin = first.setdefault(view.digest, view.name)
            if twin != view.name:
                message = f"is the same file as {twin}"
                repeated[view.name] = self.finding("block", 1, 0, message, twin=twin)
        return SetFindings(repeated)
