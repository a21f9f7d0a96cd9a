"""What the gallery can be narrowed to: one choice at a time, by plain radio buttons and CSS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from studio.curation.report.cards import Card

_STATES = {"dropped": "dropped", "warned": "to look at", "clean": "nothing to remark"}


@dataclass(frozen=True)
class Filter:
    """One choice.

    Attributes:
        mark: the class that cards which stay have; also the button's id.
    """

    mark: str
    title: str
    count: int


@dataclass(frozen=True)
class Filters:
    """All choices, and which of them each card answers to."""

    of_states: tuple[Filter, ...]
    of_checks: tuple[Filter, ...]

    @property
    def all(self) -> tuple[Filter, ...]:
        return (*self.of_states, *self.of_checks)

    def marks(self, card: Card) -> str:
        """The card's classes."""
        titles = {check.replace("_", " ") for check in card.checks}
        own = [f.mark for f in self.of_checks if f.title in titles]
        return " ".join([card.state, *own])


def filters(cards: Sequence[Card]) -> Filters:
    """A choice for each state and each check that a card has, the commonest check first.

    Marks are numbers, never names: they stand in the style sheet.
    """
    states = Counter(card.state for card in cards)
    checks = Counter(check for card in cards for check in card.checks)
    common = sorted(checks, key=lambda check: (-checks[check], check))
    return Filters(
        tuple(Filter(s, title, states[s]) for s, title in _STATES.items() if states[s]),
        tuple(
            Filter(f"check-{number}", check.replace("_", " "), checks[check])
            for number, check in enumerate(common)
        ),
    )
