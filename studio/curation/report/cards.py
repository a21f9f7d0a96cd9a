"""What the page says of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.curation.manifest import Finding, Picture, Severity
from studio.curation.report.prints import Paper, Prints
from studio.curation.report.spread import Spread
from studio.curation.summary import printable

_MOST_LETTERS = 400  # of a caption: a page of 2,000 pictures is to stay readable


@dataclass(frozen=True)
class Remark:
    """One finding on a card.

    Attributes:
        crop: data URL of what it points at, one pixel a pixel.
        own, twin, twin_name: the picture beside the one that it repeats, if there is one.
        x: where the picture stands in the check's strip; None without one.
        decision: who weighed it so, where that was not the check.
    """

    check: str
    severity: Severity
    message: str
    score: float
    threshold: float
    crop: str
    own: str
    twin: str
    twin_name: str
    x: float | None
    decision: str

    @property
    def title(self) -> str:
        return self.check.replace("_", " ")


@dataclass(frozen=True)
class Card:
    """One picture.

    Attributes:
        number: its place in the set, from 1, as on the edge of a film.
        state: ``dropped``, ``warned``, ``remarked`` or ``clean``.
        thumbnail: data URL, empty where there is none to show.
    """

    number: int
    name: str
    state: str
    size: str
    caption: str
    caption_source: str
    camera: str
    thumbnail: str
    remarks: tuple[Remark, ...]

    @property
    def checks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(remark.check for remark in self.remarks))


def state(picture: Picture) -> str:
    """What is to be said of a picture, in one word."""
    if not picture.kept:
        return "dropped"
    severities = {f.severity for f in picture.findings}
    if "warn" in severities:
        return "warned"
    return "remarked" if severities else "clean"


def card(
    number: int,
    picture: Picture,
    prints: Mapping[str, Prints],
    strips: Mapping[str, Spread],
    paper: Paper,
) -> Card:
    """The card, with as many pictures on it as there is paper for."""
    own = prints.get(picture.name, Prints())
    thumbnail = paper.take(own.whole)
    return Card(
        number=number,
        name=printable(picture.name),
        state=state(picture),
        size=f"{picture.width_px} × {picture.height_px} px" if picture.width_px else "unreadable",
        caption=_shortened(picture.caption),
        caption_source=picture.caption_source.replace("_", " "),
        camera=picture.camera,
        thumbnail=thumbnail,
        remarks=tuple(_remark(f, picture, prints, strips, paper) for f in picture.findings),
    )


def _remark(
    finding: Finding,
    picture: Picture,
    prints: Mapping[str, Prints],
    strips: Mapping[str, Spread],
    paper: Paper,
) -> Remark:
    own = prints.get(picture.name, Prints())
    twin = str(finding.evidence.get("twin", ""))
    beside = prints.get(twin, Prints()).whole
    strip = strips.get(finding.check)
    return Remark(
        check=finding.check,
        severity=finding.severity,
        message=_shortened(printable(finding.message)),
        score=finding.score,
        threshold=finding.threshold,
        crop=paper.take(own.crops.get(finding.check, "")),
        own=paper.take(own.whole if beside else ""),
        twin=paper.take(beside),
        twin_name=printable(twin),
        x=strip.places.get(picture.name) if strip else None,
        decision=decision(finding),
    )


def decision(finding: Finding) -> str:
    """Who weighed the finding, where that was not the check itself."""
    if finding.evidence.get("decided_by") != "recipe":
        return ""
    return f"the recipe says {finding.severity}; by itself: {finding.evidence.get('by_default')}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
