"""The page as a whole: one file, without links to anything outside it, without scripts.

It is bounded, so that a set of 10,000 pictures opens on a phone: at most `MAX_PRINTS` pictures are
decoded, those with findings first, and their prints take at most `MAX_PRINT_BYTES`; at most
`MAX_CARDS` pictures have a card, and the others a line. That makes 25 MB at the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from studio import atomic
from studio.curation.advice import sentence, what_to_do
from studio.curation.manifest import CuratedSet, Finding, Picture, Severity
from studio.curation.report import spread
from studio.curation.report.cards import card, decision, state
from studio.curation.report.filters import filters
from studio.curation.report.materials import shown_names, side_by_side, two_materials
from studio.curation.report.prints import Paper, Prints, develop
from studio.curation.summary import is_ready, printable, verdict

MAX_PRINTS = 600
MAX_PRINT_BYTES = 16_000_000
MAX_CARDS = 2_000
_STATES = ("dropped", "warned", "remarked", "clean")
_SEVERITIES: dict[Severity, int] = {"block": 0, "warn": 1, "info": 2}


def write_html(curated: CuratedSet, path: Path) -> None:
    """Write the page, whole or not at all.

    Names and captions are escaped: a file called ``<script>`` is shown, not run.
    """
    atomic.write_text(path, render(curated))


def render(curated: CuratedSet) -> str:
    """The page's HTML."""
    ranked = sorted(curated.pictures, key=lambda p: (_STATES.index(state(p)), p.name))
    stranger = two_materials(curated)
    shown = shown_names(stranger, curated) if stranger else {}
    prints = _developed(curated, ranked, [n for names in shown.values() for n in names])
    paper, strips = Paper(MAX_PRINT_BYTES), spread.spreads(curated)
    materials = side_by_side(stranger, shown, prints, paper) if stranger else None
    numbers = {p.name: number for number, p in enumerate(curated.pictures, start=1)}
    cards = [card(numbers[p.name], p, prints, strips, paper) for p in ranked[:MAX_CARDS]]
    return _template().render(
        curated=curated,
        # Its last part alone: a page is passed on, and need not tell whose home it was made in.
        title=printable(PurePath(curated.title).name or curated.title),
        verdict=printable(verdict(curated)),
        ready=is_ready(curated),
        counts={s: sum(1 for p in ranked if state(p) == s) for s in _STATES},
        steps=[printable(step) for step in what_to_do(curated)],
        of_set=_of_set(curated, stranger),
        materials=materials,
        strips=list(strips.values()),
        drawing=spread,
        filters=filters(cards),
        notes=[c for c in cards if c.state != "clean"],
        frames=[c for c in cards if c.state == "clean"],
        others=ranked[MAX_CARDS:],
        state=state,
    )


def _developed(
    curated: CuratedSet, ranked: Sequence[Picture], with_grain: Sequence[str]
) -> dict[str, Prints]:
    """Prints of what matters most: the two materials, then pictures with findings and their twins,
    then the others.
    """
    by_name = {p.name: p for p in curated.pictures if p.width_px}
    wanted = [*with_grain, *(name for p in ranked for name in (p.name, *_twins(p)))]
    pictures = [by_name[name] for name in dict.fromkeys(wanted) if name in by_name]
    return develop(curated, pictures[:MAX_PRINTS], frozenset(with_grain))


def _twins(picture: Picture) -> Iterable[str]:
    return (str(f.evidence["twin"]) for f in picture.findings if "twin" in f.evidence)


def _of_set(curated: CuratedSet, apart: Finding | None) -> list[Finding]:
    """Findings on the set, the gravest first, without the one that has a section of its own."""
    of_set = [f for f in curated.findings if f is not apart]
    return sorted(of_set, key=lambda f: _SEVERITIES[f.severity])


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("studio.curation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable, "decision": decision, "sentence": sentence}
    return environment.get_template("report.html")
