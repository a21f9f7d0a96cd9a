"""What the pages work on; one for the process, set when the server starts."""

from __future__ import annotations

from dataclasses import dataclass

from studio.errands import Desk
from studio.queue import Queue
from studio.watching.watch import Watch
from studio.workplace.workplace import Workplace


@dataclass(frozen=True)
class Here:
    """The workplace, and those who work in it and look at it."""

    workplace: Workplace
    desk: Desk
    queue: Queue
    watch: Watch


_here: Here | None = None


def settle(workplace: Workplace) -> Here:
    """Make a workplace the one that all pages show."""
    global _here  # noqa: PLW0603 - Streamlit runs pages without arguments
    runs = workplace.runs
    _here = Here(workplace, Desk(workplace.errands), Queue(runs), Watch(runs))
    return _here


def here() -> Here:
    """The workplace of this process.

    Raises:
        RuntimeError: no server was started; ``streamlit run`` alone does not.
    """
    if _here is None:
        raise RuntimeError("start the dashboard with `studio dashboard`")
    return _here
