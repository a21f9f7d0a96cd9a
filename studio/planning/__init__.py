"""What a run will take, in memory and time, told before it begins; and what to change where it is too much.

The run's own code is rehearsed on tensors that have shapes, types and a device, but no memory (torch's
`FakeTensorMode`): the recipe's trainer is attached, a step is taken forward and backward, a picture is
encoded and another drawn. A counter stands behind every operation and knows which storages are alive.

What rehearses is loaded when first asked for: whoever only shows a plan needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from studio.planning.plan import Plan, Proposal, Stage

if TYPE_CHECKING:
    from studio.planning.planner import make_plan, planned_base
    from studio.planning.told import plan_line

__all__ = ["Plan", "Proposal", "Stage", "make_plan", "plan_line", "planned_base"]

_HOMES = {"make_plan": "planner", "plan_line": "told", "planned_base": "planner"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
