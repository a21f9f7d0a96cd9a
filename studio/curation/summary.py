"""A curated set in a few words: shared by the gate, the terminal, the page and ``--json``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from studio.curation.manifest import CuratedSet, Finding, Picture


def verdict(curated: CuratedSet) -> str:
    """One sentence: can this set be trained on?"""
    blocking = [f for f in curated.findings if f.severity == "block"]
    if blocking:
        return f"Not ready to train: {blocking[0].message}"
    if not curated.kept:
        return "Not ready to train: no picture can be used"
    warned = sum(1 for p in curated.kept if _has(p, "warn"))
    advice = f"; {warned} of them with something to improve" if warned else ""
    return f"Ready to train: {len(curated.kept)} of {len(curated.pictures)} pictures kept{advice}"


def is_ready(curated: CuratedSet) -> bool:
    return bool(curated.kept) and all(f.severity != "block" for f in curated.findings)


def reason(picture: Picture) -> Finding:
    """Why a picture was dropped: the user's own word, or the first finding that blocks it."""
    own_word = [f for f in picture.findings if f.check == "dropped_by_hand"]
    return (own_word or [f for f in picture.findings if f.severity == "block"])[0]


def drop_reasons(curated: CuratedSet) -> dict[str, int]:
    """How many pictures each check dropped, most first; underscores made blanks."""
    counts = Counter(reason(p).check.replace("_", " ") for p in curated.dropped)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def warnings_of_kept(curated: CuratedSet) -> list[tuple[str, list[Picture], Finding]]:
    """Each check that warns of kept pictures: its name, the pictures, the first one's finding."""
    pictures: dict[str, list[Picture]] = {}
    examples: dict[str, Finding] = {}
    for picture in curated.kept:
        for finding in picture.findings:
            if finding.severity == "warn":
                pictures.setdefault(finding.check, []).append(picture)
                examples.setdefault(finding.check, finding)
    return [(check, pictures[check], examples[check]) for check in sorted(pictures)]


def to_json(curated: CuratedSet) -> dict[str, Any]:
    """The manifest with the verdict and the counts in front, as plain JSON values."""
    return {
        "ready": is_ready(curated),
        "verdict": verdict(curated),
        "found": len(curated.pictures),
        "kept": len(curated.kept),
        "dropped": len(curated.dropped),
        "drop_reasons": drop_reasons(curated),
        **curated.content(),
    }


def printable(text: str) -> str:
    """``text`` with control characters and line ends written out: file names may hold any."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _has(picture: Picture, severity: str) -> bool:
    return any(f.severity == severity for f in picture.findings)
