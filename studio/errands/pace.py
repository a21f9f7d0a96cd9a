"""How long the rest of an errand takes, from what was seen of it. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from studio.errands.errand import Standing


@dataclass(frozen=True)
class Seen:
    """Where an errand stood when somebody first looked at what can be counted.

    Attributes:
        time: in seconds, of any clock that only runs forward.
    """

    title: str
    done: int
    time: float

    @classmethod
    def first(cls, before: Seen | None, standing: Standing, now: float) -> Seen:
        """The earlier look, as long as the same thing is being done."""
        if before is not None and before.title == standing.title:
            return before
        return cls(standing.title, standing.done, now)

    def seconds_left(self, standing: Standing, now: float) -> float | None:
        """At the pace since then; None where nothing was done since, or nothing can be counted."""
        done = standing.done - self.done
        if done <= 0 or standing.total <= 0:
            return None
        return (now - self.time) / done * (standing.total - standing.done)
