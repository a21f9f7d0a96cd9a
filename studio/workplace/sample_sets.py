"""The sample sets that come with the studio's repository; an installed package is without them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

SETS = Path("datasets")
_CARD = "card.yaml"


@dataclass(frozen=True)
class SampleSet:
    """One of them, as its card tells of it.

    Attributes:
        description: one sentence.
        trigger: a word that goes with it, as in the recipes that come along.
    """

    name: str
    title: str
    description: str
    pictures: int
    folder: Path
    trigger: str = ""


# Those of the recipes that come along.
_TRIGGERS = {"flat-icons": "flat icon", "mascot": "zorp"}


def shipped(place: Path) -> Path | None:
    """Where something of the repository lies, ``recipes/…`` for one; None where it is not here."""
    for root in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (root / place).exists():
            return root / place
    return None


def sample_sets() -> tuple[SampleSet, ...]:
    """All that are here, in the order of their names."""
    folder = shipped(SETS)
    if folder is None:
        return ()
    return tuple(_sample(card) for card in sorted(folder.glob(f"*/{_CARD}")))


def _sample(card: Path) -> SampleSet:
    content = yaml.safe_load(card.read_text("utf-8"))
    name = card.parent.name
    return SampleSet(
        name=name,
        title=content["title"],
        description=content["description"].partition(". ")[0].rstrip(".") + ".",
        pictures=content["pictures"],
        folder=card.parent.resolve(),
        trigger=_TRIGGERS.get(name, ""),
    )
