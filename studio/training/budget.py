"""How many optimizer steps a budget buys."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from studio.training.settings import BudgetSettings

MEASURED_STEPS = 8
"""Steps timed to learn the pace, after a first one that also pays for allocations and is not counted."""


def total_steps(
    budget: BudgetSettings, num_images: int, batch_size: int, accumulation_steps: int
) -> int | None:
    """Optimizer steps of a budget; None where it is in minutes and the pace must be measured first."""
    if budget.steps is not None:
        return budget.steps
    if budget.steps_per_image is not None:
        pictures_per_step = batch_size * accumulation_steps
        return math.ceil(budget.steps_per_image * num_images / pictures_per_step)
    return None


def measure_steps(minutes: float, rehearse: Callable[[int], object]) -> int:
    """Optimizer steps that fit into ``minutes``, the time of measuring included; at least one.

    Args:
        rehearse: does the work of the given step and leaves no trace of it.
    """
    budget_seconds = minutes * 60
    start = time.perf_counter()
    rehearse(0)
    warm = time.perf_counter()
    measured = 0
    # A slow machine or a short budget measures fewer, lest measuring eat up what it measures for.
    while measured < MEASURED_STEPS:
        measured += 1
        rehearse(measured)
        if time.perf_counter() - start > budget_seconds / 10:
            break
    now = time.perf_counter()
    return max(1, int((budget_seconds - (now - start)) / ((now - warm) / measured)))
