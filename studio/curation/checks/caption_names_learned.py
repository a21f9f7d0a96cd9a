"""Words that stand in nearly every caption: what the pictures share is learned for them too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding, Severity
from studio.curation.view import View

_MIN_CAPTIONS = 5  # in fewer, chance puts a word into all
_MAX_WORDS = 4
_SHOWN = 3
_PART = re.compile(r"[^,.;:!?()\[\]{}|\n]+")
_WORD = re.compile(r"[\w'’-]+")
# Words that a phrase neither begins nor ends with; alone they name nothing.
_JOINING = frozenset(
    _WORD.findall(
        "a an and are as at be being by for from has have his her in is it its of on onto or over that"
        " the their there these this to two under up very was were while who with"
    )
)
# Said of the surroundings, as captions should: what is named there stays changeable.
_SURROUNDINGS = re.compile(r"([\w-]+ )?\b(background|backdrop|foreground)\b")
_STYLE = frozenset(
    _WORD.findall(
        "2d 35mm 3d acrylic aesthetic agfa analog analogue anime aquarelle art artwork cartoon cgi"
        " charcoal cinematic clay comic crayon cubist drawing drawn engraving etching film filmic flat"
        " fuji gouache grain grainy icon icons ilford illustrated illustration impressionist ink"
        " isometric kodachrome kodak lineart linocut lithograph lofi lomography lowpoly manga"
        " minimalist mosaic origami painted painting pastel pencil photo photograph photographic"
        " photography photorealistic pixel polaroid portra poster print render rendered rendering retro"
        " sepia shading sketch sticker style styled stylized tempera vector vintage watercolor"
        " watercolour woodcut"
    )
)


class CaptionNamesLearned(SetCheck):
    """Score: share of the captions that hold the phrase, 0 to 1; the trigger aside.

    Warns of words for a style or a medium beside a trigger, which then calls up only a part of it.
    Other words may be right there (a subject's class, a background to be kept apart): a remark.
    """

    name = "caption_names_learned"

    def __init__(self, trigger: str, share: float) -> None:
        self.trigger = trigger
        self.share = share

    def examine(self, views: Sequence[View]) -> SetFindings:
        captions = [view.caption for view in views if view.caption]
        if len(captions) < _MIN_CAPTIONS or len(set(captions)) == 1:
            return SetFindings({})
        counts = Counter(phrase for c in captions for phrase in set(self._phrases(c)))
        common = {p: n for p, n in counts.items() if n >= self.share * len(captions)}
        phrases = _longest(common)
        kinds = ([p for p in phrases if _is_style(p)], [p for p in phrases if not _is_style(p)])
        found = [self._of(kind, common[kind[0]], len(captions)) for kind in kinds if kind]
        return SetFindings({}, tuple(found))

    def _phrases(self, caption: str) -> Iterator[str]:
        """Runs of up to four words between commas and the like, without the trigger."""
        text = caption.lower()
        if self.trigger:
            text = text.replace(self.trigger.lower(), ",")
        for part in _PART.findall(_SURROUNDINGS.sub(",", text)):
            words = _WORD.findall(part)
            for start, end in combinations(range(len(words) + 1), 2):
                run = words[start:end]
                if len(run) <= _MAX_WORDS and run[0] not in _JOINING and run[-1] not in _JOINING:
                    yield " ".join(run)

    def _of(self, phrases: list[str], count: int, captions: int) -> Finding:
        listed = ", ".join(f'"{phrase}"' for phrase in phrases[:_SHOWN])
        stands = f"{listed} in {count} of {captions} captions"
        severity: Severity = "info"
        if not self.trigger:
            advice = (
                ", and no trigger: that is what will call up the learned; name it as the trigger"
            )
        elif _is_style(phrases[0]):
            severity = "warn"
            advice = (
                f': the look is learned for that and "{self.trigger}" alone calls up only a part '
                "of it; take it out of the captions"
            )
        else:
            advice = (
                f': learned for that as well as for "{self.trigger}"; right for a subject\'s class '
                "and what shall stay changeable, else take it out of the captions"
            )
        share = count / captions
        return self.finding(severity, share, self.share, stands + advice, phrases=phrases)


def _longest(common: Mapping[str, int]) -> list[str]:
    """Phrases that are no part of another, the commonest first."""
    whole = [
        phrase
        for phrase in common
        if not any(phrase != other and f" {phrase} " in f" {other} " for other in common)
    ]
    return sorted(whole, key=lambda phrase: (-common[phrase], phrase))


def _is_style(phrase: str) -> bool:
    return not _STYLE.isdisjoint(re.split(r"[ -]", phrase))
