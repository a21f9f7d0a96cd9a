"""Training that has run away: how it is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from studio.errors import StudioError
from studio.training.settings import PrecisionSettings


def diverged(
    step: int,
    loss: float,
    *,
    newest_checkpoint: Callable[[], Path | None],
    precision: PrecisionSettings,
    device: torch.device,
) -> StudioError:
    """The error to raise after a step that cannot be taken or has left nothing to go on from.

    Args:
        step: the step, the first being 1.
        loss: its loss; where it is finite, the gradient or the weights are not.
        newest_checkpoint: the folder to go back to; None where there is none yet.
    """
    if not math.isfinite(loss):
        what = f"the loss is {loss:.4g}"
    elif precision.mixed_precision == "fp16":
        what = f"the loss is {loss:.4g} but its gradient overflows fp16 at every loss scale"
    else:
        what = f"the loss is {loss:.4g} but its gradient or the weights are not finite"
    newest = newest_checkpoint()
    kept = f"the last checkpoint is {newest}" if newest else "there is no checkpoint yet"
    return StudioError(
        f"training diverged at step {step}: {what}; {kept}; train anew with "
        f"{_remedies(precision, device)}"
    )


def _remedies(precision: PrecisionSettings, device: torch.device) -> str:
    lower = "a lower optimizer.learning_rate"
    if precision.mixed_precision == "fp16":
        wider = ["bf16", "no"] if does_bf16(device) else ["no"]
        return f"precision.mixed_precision: {' or '.join(wider)}, or {lower}"
    if precision.mixed_precision == "bf16":
        return f"{lower}, or precision.mixed_precision: no"
    return lower


def does_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself, which has fp32's range."""
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
