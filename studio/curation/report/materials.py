"""A set of two materials, laid out side by side: so that one sees what the verdict says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.curation.manifest import CuratedSet, Evidence, Finding
from studio.curation.report.prints import Paper, Prints
from studio.curation.summary import printable

SHOWN = 12


@dataclass(frozen=True)
class Member:
    """A picture of a group: as a whole, and its calmest part pixel by pixel."""

    name: str
    thumbnail: str
    grain: str


@dataclass(frozen=True)
class Group:
    """One of the two, with the pictures that are most like it."""

    title: str
    material: str
    count: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Materials:
    """The two groups, the larger first, and by what they differ."""

    finding: Finding
    differs_by: tuple[str, ...]
    groups: tuple[Group, Group]


def two_materials(curated: CuratedSet) -> Finding | None:
    """The finding that names two groups, if the set was found to be of two."""
    for finding in curated.findings:
        if finding.check == "material" and _names(finding, "minority"):
            return finding
    return None


def shown_names(finding: Finding, curated: CuratedSet) -> dict[str, list[str]]:
    """Of each group the names to be shown: those that stand furthest from the other group."""
    scores = {p.name: p.scores.get("material", 0.0) for p in curated.pictures}
    groups = {key: _names(finding, key) for key in ("majority", "minority")}
    groups = {key: [n for n in names if n in scores] for key, names in groups.items()}
    means = {k: sum(scores[n] for n in names) / (len(names) or 1) for k, names in groups.items()}
    high = max(means, key=lambda key: means[key])
    return {
        key: sorted(names, key=lambda n: (-scores[n] if key == high else scores[n], n))[:SHOWN]
        for key, names in groups.items()
    }


def side_by_side(
    finding: Finding,
    shown: Mapping[str, Sequence[str]],
    prints: Mapping[str, Prints],
    paper: Paper,
) -> Materials:
    """Both groups with as many pictures as there is paper for."""

    def group(key: str, title: str) -> Group:
        members = tuple(_member(name, prints.get(name, Prints()), paper) for name in shown[key])
        material = str(finding.evidence.get(f"{key}_material", ""))
        return Group(title, material, len(_names(finding, key)), members)

    return Materials(
        finding,
        tuple(_words(finding.evidence.get("differs_by", ""))),
        (group("majority", "Most of the set"), group("minority", "The strangers")),
    )


def _member(name: str, prints: Prints, paper: Paper) -> Member:
    return Member(printable(name), paper.take(prints.whole), paper.take(prints.grain))


def _names(finding: Finding, key: str) -> list[str]:
    value = finding.evidence.get(key)
    return value if isinstance(value, list) else []


def _words(value: Evidence) -> list[str]:
    return value if isinstance(value, list) else [str(value)] if value else []
