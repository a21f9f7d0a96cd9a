"""What can be asked for. The functions are found by name, so that this page imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not countable)."""

Work = Callable[[Mapping[str, Any], Path, Tell], dict[str, Any]]
"""From the arguments and a folder for files, new or left by an earlier try, to the result (JSON)."""


@dataclass(frozen=True)
class Kind:
    """One sort of errand.

    Attributes:
        place: ``module:function`` of its `Work`.
        lane: errands of one lane are done one after another, in one process.
        is_kept: whether the folder and the result outlive the dashboard.
    """

    place: str
    lane: str
    is_kept: bool = False

    def load(self) -> Work:
        module, _, name = self.place.partition(":")
        work: Work = getattr(import_module(module), name)
        return work


KINDS: Mapping[str, Kind] = {
    "judge": Kind("studio.errands.judging:judge", "judging"),
    "plan": Kind("studio.errands.planning:plan", "planning"),
    "draw": Kind("studio.errands.drawing:draw", "drawing", is_kept=True),
    "export": Kind("studio.errands.exporting:export", "drawing"),
}
