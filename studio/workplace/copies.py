"""Pictures that repeat another, as pairs to choose from."""

from __future__ import annotations

from dataclasses import dataclass

from studio.curation.manifest import Finding, Picture
from studio.workplace.judgement import Judgement


@dataclass(frozen=True)
class Copies:
    """A picture, the one that it repeats, and what was found.

    Attributes:
        original: the one that curation keeps.
    """

    copy: Picture
    original: Picture
    finding: Finding


def copies(judgement: Judgement) -> list[Copies]:
    """All pairs, each once, by the original's name, so that several copies of one stand together."""
    found: dict[frozenset[str], Copies] = {}
    for picture in judgement.curated.pictures:
        for finding in picture.findings:
            original = judgement.by_name.get(str(finding.evidence.get("twin", "")))
            if original is not None:
                both = frozenset((picture.name, original.name))
                found.setdefault(both, Copies(picture, original, finding))
    return sorted(found.values(), key=lambda pair: (pair.original.name, pair.copy.name))
