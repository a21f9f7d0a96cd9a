"""The course of the learning rates over a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diffusers.optimization import get_scheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from studio.training.optimizer_settings import OptimizerSettings

WARMUP_SHARE = 10


def make_lr_scheduler(
    optimizer: Optimizer,
    settings: OptimizerSettings,
    total_steps: int,
    stop_steps: Sequence[int] = (),
) -> LambdaLR:
    """The lr_scheduler that the recipe names, counted in optimizer steps.

    The warm-up never takes more than a tenth of the run, so that a short one also learns.

    Args:
        stop_steps: for each parameter group, the steps after which its learning rate is 0.
    """
    scheduler: LambdaLR = get_scheduler(
        settings.lr_scheduler,
        optimizer,
        num_warmup_steps=min(settings.lr_warmup_steps, total_steps // WARMUP_SHARE),
        num_training_steps=total_steps,
    )
    if stop_steps:
        courses = zip(scheduler.lr_lambdas, stop_steps, strict=True)
        scheduler.lr_lambdas = [_until(stop, course) for course, stop in courses]
    return scheduler


def _until(stop_step: int, course: Callable[[int], float]) -> Callable[[int], float]:
    def stopped(step: int) -> float:
        return course(step) if step < stop_step else 0.0

    return stopped
