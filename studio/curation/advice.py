"""What to do about a curated set, most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from studio.curation.manifest import CuratedSet, Finding, Picture, Severity

# What spoils an adapter most comes first; the others as the checks spoke.
_FIRST = ("material",)


@dataclass(frozen=True)
class Group:
    """Pictures of which one check says the same.

    Attributes:
        example: the first one's finding.
    """

    check: str
    names: tuple[str, ...]
    example: Finding

    @property
    def title(self) -> str:
        return self.check.replace("_", " ")


def what_to_do(curated: CuratedSet) -> list[str]:
    """A sentence for each thing to mend: what stops the set, what weakens it, then pictures in
    groups, the largest first. Empty for a set with nothing to improve.
    """
    of_set = _of("block", curated.findings) + sorted(
        _of("warn", curated.findings), key=lambda f: f.check not in _FIRST
    )
    of_pictures = [_of_group(group) for group in groups(curated.kept, "warn")]
    return [sentence(text) for text in (*(f.message for f in of_set), *of_pictures)]


def sentence(text: str) -> str:
    """With a capital in front, unless it begins with a file's name."""
    first = text.partition(" ")[0].rstrip(",:;")
    return text[:1].upper() + text[1:] if first.isalpha() else text


def _of(severity: str, findings: Iterable[Finding]) -> list[Finding]:
    return [f for f in findings if f.severity == severity]


def groups(pictures: Iterable[Picture], severity: Severity) -> list[Group]:
    """Findings of one severity by check, the largest group first."""
    names: dict[str, list[str]] = {}
    examples: dict[str, Finding] = {}
    for picture in pictures:
        for finding in _of(severity, picture.findings):
            names.setdefault(finding.check, []).append(picture.name)
            examples.setdefault(finding.check, finding)
    found = [Group(check, tuple(n), examples[check]) for check, n in names.items()]
    return sorted(found, key=lambda g: (-len(g.names), g.check))


def _of_group(group: Group) -> str:
    count = f", {len(group.names)} pictures, e.g." if len(group.names) > 1 else ":"
    return f"{group.title}{count} {group.names[0]} {group.example.message}"
