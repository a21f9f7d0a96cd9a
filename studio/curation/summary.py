"""A curated set in a few words: shared by the gate, the terminal, the page and ``--json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studio.curation.advice import what_to_do

if TYPE_CHECKING:
    from studio.curation.manifest import CuratedSet

MANIFEST_VERSION = 2


def is_ready(curated: CuratedSet) -> bool:
    """Whether the set can be trained on: something is kept, and nothing blocks the whole."""
    return bool(curated.kept) and all(f.severity != "block" for f in curated.findings)


def verdict(curated: CuratedSet) -> str:
    """One sentence: can this set be trained on?"""
    blocking = [f for f in curated.findings if f.severity == "block"]
    if blocking:
        return f"Not ready to train: {blocking[0].message}"
    if not curated.kept:
        return "Not ready to train: no picture can be used"
    warned = sum(1 for p in curated.kept if any(f.severity == "warn" for f in p.findings))
    advice = f"; {warned} of them with something to improve" if warned else ""
    return f"Ready to train: {len(curated.kept)} of {len(curated.pictures)} pictures kept{advice}"


def receipt(curated: CuratedSet) -> str:
    """The verdict in counts alone, for an adapter's header: no sentence, no picture's name.

    E.g. ``ready: 41 of 49 kept; two materials, 8 of 41 the minority; dropped: 1 near duplicate;
    warned: 1 blur``. A few hundred characters at most: there are only so many checks.
    """
    parts = [
        f"{'ready' if is_ready(curated) else 'not ready'}: "
        f"{len(curated.kept)} of {len(curated.pictures)} kept",
        _material(curated),
        _counted("dropped", drop_reasons(curated)),
        _counted("warned", _warnings(curated)),
    ]
    return "; ".join(part for part in parts if part)


def _material(curated: CuratedSet) -> str:
    """What the set turned out to be made of; empty where that was not judged."""
    finding = next((f for f in curated.findings if f.check == "material"), None)
    if finding is None:
        judged = any("material" in p.scores for p in curated.pictures)
        return "one material" if judged else ""
    minority = finding.evidence.get("minority")
    if not isinstance(minority, list):
        return "material uncertain"
    left = {p.name for p in curated.kept} & set(minority)
    if not left:
        return "one material"
    return f"two materials, {len(left)} of {len(curated.kept)} the minority"


def _counted(title: str, counts: dict[str, int]) -> str:
    listed = ", ".join(f"{count} {check}" for check, count in counts.items())
    return f"{title}: {listed}" if listed else ""


def _warnings(curated: CuratedSet) -> dict[str, int]:
    """How often each check warns of kept pictures and of the set."""
    found = [f for p in curated.kept for f in p.findings] + list(curated.findings)
    return _by_count(f.check for f in found if f.severity == "warn")


def drop_reasons(curated: CuratedSet) -> dict[str, int]:
    """How many pictures each check dropped, most first; underscores made blanks."""
    return _by_count(p.drop_reason.check for p in curated.dropped)


def _by_count(checks: Iterable[str]) -> dict[str, int]:
    counts = Counter(check.replace("_", " ") for check in checks)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def to_json(curated: CuratedSet) -> dict[str, Any]:
    """What ``--json`` prints and ``manifest.json`` holds, as plain JSON values; keys stay.

    ====================  =====================================================================
    ``version``           of this format
    ``ready``             whether the set can be trained on
    ``verdict``           the same as a sentence
    ``receipt``           the same in counts, as in an adapter's header
    ``to_do``             what to do, most urgent first, a sentence each
    ``found, kept,        how many pictures
    dropped``
    ``drop_reasons``      how many each check dropped
    ``source, digest``    the pictures' folder; SHA-256 over the kept ones and their captions
    ``origin``            what was unpacked into that folder; empty where nothing was
    ``findings``          on the whole set: fields of `Finding`
    ``pictures``          every one, dropped ones too: fields of `Picture`, its ``scores`` by check
    ====================  =====================================================================
    """
    return {
        "version": MANIFEST_VERSION,
        "ready": is_ready(curated),
        "verdict": verdict(curated),
        "receipt": receipt(curated),
        "to_do": what_to_do(curated),
        "found": len(curated.pictures),
        "kept": len(curated.kept),
        "dropped": len(curated.dropped),
        "drop_reasons": drop_reasons(curated),
        "source": str(curated.source),
        "origin": curated.origin,
        "digest": curated.digest,
        "findings": [asdict(f) for f in curated.findings],
        "pictures": [asdict(p) for p in curated.pictures],
    }


def printable(text: str) -> str:
    """``text`` with control characters and line ends written out: file names may hold any."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
