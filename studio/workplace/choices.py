"""What a gallery can be narrowed to, and what is said of each picture in a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.workplace.judgement import findings_of_checks

ALL, KEPT, DROPPED = "all", "kept", "dropped"
BY_YOU = "by-you"

_SEVERITIES = {"block": 0, "warn": 1, "info": 2}
_TITLES: Mapping[str, str] = {
    ALL: "all",
    KEPT: "kept",
    DROPPED: "dropped",
    BY_YOU: "decided by you",
    "animated": "animation",
    "aspect_ratio": "odd shape",
    "blank": "nothing on it",
    "blur": "blurred",
    "buckets": "much is cut off",
    "caption_missing": "no caption",
    "caption_too_long": "caption too long",
    "clipping": "burnt out or blocked up",
    "compression": "compressed hard",
    "content": "shows something else",
    "exact_duplicate": "the same file twice",
    "material": "another material",
    "near_duplicate": "almost the same twice",
    "over_smoothed": "smoothed",
    "tone": "another light",
    "too_small": "too small",
    "upscaled": "enlarged",
}


@dataclass(frozen=True)
class Choice:
    """One thing to narrow down to."""

    key: str
    count: int

    @property
    def title(self) -> str:
        return title_of(self.key)


def title_of(check: str) -> str:
    """A check's name, or a choice's, in plain words."""
    return _TITLES.get(check, check.replace("_", " "))


def choices(curated: CuratedSet) -> list[Choice]:
    """All, kept, dropped, decided by hand, then each finding that some picture has, the commonest first."""
    checks: Counter[str] = Counter()
    for picture in curated.pictures:
        checks.update({finding.check for finding in findings_of_checks(picture)})
    decided = sum(1 for picture in curated.pictures if _is_decided(picture))
    found = [
        Choice(ALL, len(curated.pictures)),
        Choice(KEPT, len(curated.kept)),
        Choice(DROPPED, len(curated.dropped)),
        Choice(BY_YOU, decided),
    ]
    found += [Choice(check, n) for check, n in sorted(checks.items(), key=lambda c: (-c[1], c[0]))]
    return [choice for choice in found if choice.count or choice.key == ALL]


def narrowed(curated: CuratedSet, key: str) -> tuple[Picture, ...]:
    """The pictures of one choice by name, an order that no decision changes; of an unknown one all."""
    pictures = curated.pictures
    if key == KEPT:
        return curated.kept
    if key == DROPPED:
        return curated.dropped
    if key == BY_YOU:
        return tuple(p for p in pictures if _is_decided(p))
    if key not in {choice.key for choice in choices(curated)} or key == ALL:
        return pictures
    return tuple(p for p in pictures if any(f.check == key for f in findings_of_checks(p)))


def worst(picture: Picture) -> Finding | None:
    """The gravest finding, of several the first; None where there is nothing to say."""
    found = findings_of_checks(picture)
    return min(found, key=lambda f: _SEVERITIES[f.severity], default=None)


def kept_by_checks(picture: Picture) -> bool:
    """Whether the checks alone would keep it."""
    return all(f.severity != "block" for f in findings_of_checks(picture))


def _is_decided(picture: Picture) -> bool:
    return len(findings_of_checks(picture)) < len(picture.findings)
