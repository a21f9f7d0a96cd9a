"""Whether one subject stands in most of the pictures while the others vary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import View

# What every caption may hold without being about it.
_EMPTY_WORDS = frozenset(
    re.split(
        r"\s+",
        "and are background behind beside big close closeup down drawing for from front has her his "
        "icon illustration image images into large left little near new next old one other out over "
        "photo photograph photographs photography photos picture pictures portrait right shot side "
        "sitting small some standing style that the their there they this three top two under very "
        "view was were while with without",
    )
)
_MIN_PICTURES = 12
_MAX_SHARE = 0.5
_ALWAYS = 0.9  # a word in nearly all captions names what the whole set is about


class Balance(SetCheck):
    """Score: share of the pictures that the commonest subject takes, by the words of the captions
    or, where the set lies in folders, by folder. A remark above one half.

    A word in nearly all captions is what the set teaches, and no lack of balance.
    """

    name = "balance"

    def __init__(self, trigger: str) -> None:
        self.trigger = frozenset(_words(trigger))

    def examine(self, views: Sequence[View]) -> SetFindings:
        if len(views) < _MIN_PICTURES:
            return SetFindings({})
        found = self._by_folder(views) or self._by_word(views)
        return SetFindings({}, (found,) if found else ())

    def _by_folder(self, views: Sequence[View]) -> Finding | None:
        folders = Counter(view.name.rpartition("/")[0] for view in views)
        if len(folders) < 2:
            return None
        return self._remark(folders, len(views), 'lie in the folder "{}"')

    def _by_word(self, views: Sequence[View]) -> Finding | None:
        captions = [view.caption for view in views if view.caption]
        if len(set(captions)) < len(views) / 2:
            return None
        ignored = _EMPTY_WORDS | self.trigger
        words = Counter(word for text in captions for word in set(_words(text)) - ignored)
        rare = {word: n for word, n in words.items() if n <= _ALWAYS * len(captions)}
        return self._remark(Counter(rare), len(captions), 'have "{}" in their captions')

    def _remark(self, counts: Counter[str], pictures: int, where: str) -> Finding | None:
        if not counts:
            return None
        subject = min(counts, key=lambda name: (-counts[name], name))
        share = counts[subject] / pictures
        if not _MAX_SHARE < share <= _ALWAYS:
            return None
        message = (
            f"{counts[subject]} of {pictures} pictures {where.format(subject)}: the adapter learns "
            "that subject more than the others; add pictures of other things, or take some away"
        )
        return self.finding("info", share, _MAX_SHARE, message, subject=subject)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{3,}", text.lower())
