"""How much an optimizer remembers of the weights that it moves."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

_NUMBERS_PER_WEIGHT = {"adamw": 2, "lion": 1, "prodigy": 4, "adamw_schedule_free": 2, "sgd": 0}
"""fp32 numbers: moments; for prodigy also where it began and the sum of its steps; for schedule-free the
fast weights."""
_BYTES_PER_WEIGHT = {"adamw_8bit": 2, "lion_8bit": 1}
_BLOCK = 256  # weights in bitsandbytes' 8-bit states that share a scale, fp32
_LEAST_FOR_8BIT = 4096  # weights; below it bitsandbytes keeps fp32


def state_bytes(name: str, parameters: Iterable[Tensor]) -> int:
    """Bytes of an optimizer's state, by the recipe's name for it."""
    return sum(_of_one(name, parameter) for parameter in parameters)


def _of_one(name: str, parameter: Tensor) -> int:
    weights = parameter.numel()
    if name == "adafactor":  # a mean for each row and each column (Shazeer & Stern, 2018)
        if parameter.dim() < 2:
            return 4 * weights
        *rest, rows, columns = parameter.shape
        matrices = weights // max(1, rows * columns)
        return 4 * matrices * (rows + columns) if rest else 4 * (rows + columns)
    if name in _BYTES_PER_WEIGHT:
        moments = _BYTES_PER_WEIGHT[name]
        if weights < _LEAST_FOR_8BIT:
            return 4 * moments * weights
        return moments * (weights + 4 * -(-weights // _BLOCK))
    return 4 * _NUMBERS_PER_WEIGHT[name] * weights


def step_bytes(name: str, parameters: Iterable[Tensor], device_type: str) -> int:
    """What taking a step takes beside weights, gradients and state."""
    sizes = [4 * parameter.numel() for parameter in parameters]
    # On a GPU torch's own optimizers take all weights at once, and their divisors stand in a list.
    together = device_type == "cuda" and name in ("adamw", "sgd")
    return sum(sizes) if together else 3 * max(sizes, default=0)
