"""The course of the learning rate over a run."""

from __future__ import annotations

from diffusers.optimization import get_scheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from studio.training.settings import OptimizerSettings


def make_lr_scheduler(
    optimizer: Optimizer, settings: OptimizerSettings, total_steps: int
) -> LambdaLR:
    """The lr_scheduler that the recipe names, counted in optimizer steps.

    The warm-up never takes more than a tenth of the run, so that a short one also learns.
    """
    scheduler: LambdaLR = get_scheduler(
        settings.lr_scheduler,
        optimizer,
        num_warmup_steps=min(settings.lr_warmup_steps, total_steps // 10),
        num_training_steps=total_steps,
    )
    return scheduler
