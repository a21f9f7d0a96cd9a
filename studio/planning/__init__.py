"""What a run will take, in memory and time, told before it begins; and what to change where it is too much.

The run's own code is rehearsed on tensors that have shapes, types and a device, but no memory (torch's
`FakeTensorMode`): the recipe's trainer is attached, a step is taken forward and backward, a picture is
encoded and another drawn. A counter stands behind every operation and knows which storages are alive.
"""

from studio.planning.plan import Plan, Proposal, Stage
from studio.planning.planner import make_plan, planned_base
from studio.planning.told import plan_line

__all__ = ["Plan", "Proposal", "Stage", "make_plan", "plan_line", "planned_base"]
