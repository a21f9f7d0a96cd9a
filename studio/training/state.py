"""What moves during a run: the adapter's weights, their average, optimizer, learning rate, loss scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from accelerate.accelerator import Accelerator
from torch import nn

from studio.errors import RunError
from studio.training.checkpoints import Checkpoint
from studio.training.ema import Ema
from studio.training.lr_schedulers import make_lr_scheduler
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.optimizers import make_optimizer
from studio.training.schedule_free import evaluation_point
from studio.training.trainer import ParamGroup

LEAST_LOSS_SCALE = 2.0**-10
"""A scaler begins at 2^16 and halves its scale with each step that it leaves out. A gradient that
overflows fp16 after so many has run away; leaving out more would train nothing and say nothing."""


class TrainingState:
    """Weights and everything that decides their next step. A `Checkpoint` holds all of it.

    Attributes:
        step: optimizer steps done.
        gradient_norm: length of the last step's gradient before `advance` shortened it.
        skipped_steps: of the steps done, those that fp16's loss scaler left out.
    """

    def __init__(
        self,
        groups: Sequence[ParamGroup],
        settings: OptimizerSettings,
        total_steps: int,
        accelerator: Accelerator,
    ) -> None:
        self.step = 0
        self.total_steps = total_steps
        self.gradient_norm = 0.0
        self.skipped_steps = 0
        self._groups = groups
        self._stop_steps = [stop_step(group, total_steps) for group in groups]
        self._parameters = named_parameters(groups)
        self._max_grad_norm = settings.max_grad_norm
        self._accelerator = accelerator
        optimizer = make_optimizer(groups, settings)
        # Before `prepare`: both wrap the optimizer's step, and the lr_scheduler's must be the inner one.
        self._lr_scheduler = make_lr_scheduler(optimizer, settings, total_steps, self._stop_steps)
        self._optimizer = accelerator.prepare(optimizer)  # type: ignore[no-untyped-call]
        self._is_schedule_free = hasattr(optimizer, "eval")
        self._optimizer.train()
        self._ema = Ema(self._parameters, settings.ema_decay) if settings.ema_decay else None

    @property
    def learning_rate(self) -> float:
        """The first group's, for the next step."""
        rate: float = self._optimizer.param_groups[0]["lr"]
        return rate

    def advance(self) -> bool:
        """Take one optimizer step along the gradient, and forget it.

        Returns:
            False, with no weight changed, where the gradient is not finite. With fp16 that is the loss
            scaler's daily business: it leaves the step out, halves its scale, and training goes on;
            False only once the scale has fallen so far that it is no longer the scale's fault.
        """
        moving = self._moving()
        if moving:
            norm = self._accelerator.clip_grad_norm_(  # type: ignore[no-untyped-call]
                moving, self._max_grad_norm
            )
            self.gradient_norm = norm.item()
            if self._accelerator.scaler is None and not math.isfinite(self.gradient_norm):
                return False
            self._optimizer.step()
        scaler = self._accelerator.scaler
        if scaler is not None and moving and self._optimizer.step_was_skipped:
            self.skipped_steps += 1
            if scaler.get_scale() < LEAST_LOSS_SCALE:
                return False
        else:
            self._lr_scheduler.step()
        self._optimizer.zero_grad()
        self.step += 1
        return True

    def update_average(self) -> None:
        """Take the weights as they are into their moving average, where there is one."""
        if self._ema is not None:
            self._ema.update(self.step)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """What is exported, drawn with and measured, in the place of the weights that train.

        Their moving average or the schedule-free average, or else the weights themselves. Afterwards
        the weights are as before, bit for bit.
        """
        if self._ema is not None:
            with self._ema.in_place():
                yield
        elif self._is_schedule_free:
            with evaluation_point(self._optimizer, self._parameters):
                yield
        else:
            yield

    def autocast(self) -> AbstractContextManager[None]:
        """The number formats of the forward pass, for passes outside training."""
        context: AbstractContextManager[None] = self._accelerator.autocast()
        return context

    def checkpoint(self) -> Checkpoint:
        """All of it as it is now; tensors are copies on the CPU."""
        scaler = self._accelerator.scaler
        return Checkpoint(
            step=self.step,
            total_steps=self.total_steps,
            weights={n: p.detach().cpu().clone() for n, p in self._parameters.items()},
            average={n: t.cpu().clone() for n, t in self._ema.average.items()} if self._ema else {},
            optimizer={
                "optimizer": self._optimizer.state_dict(),
                "lr_scheduler": self._lr_scheduler.state_dict(),
                "scaler": scaler.state_dict() if scaler else None,
                "skipped_steps": self.skipped_steps,
            },
        )

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint, bit for bit.

        Raises:
            RunError: its weights are not those that train here.
        """
        if _shapes(checkpoint.weights) != _shapes(self._parameters):
            raise RunError(
                f"the checkpoint of step {checkpoint.step} holds other weights than the recipe trains; "
                "train under a new name"
            )
        self.step = checkpoint.step
        self.skipped_steps = checkpoint.optimizer.get("skipped_steps", 0)
        for name, parameter in self._parameters.items():
            parameter.copy_(checkpoint.weights[name])
        if self._ema is not None:
            self._ema.load(checkpoint.average)
        self._optimizer.load_state_dict(checkpoint.optimizer["optimizer"])
        self._lr_scheduler.load_state_dict(checkpoint.optimizer["lr_scheduler"])
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(checkpoint.optimizer["scaler"])

    def _moving(self) -> list[nn.Parameter]:
        """Parameters that still train. The others' gradients are dropped.

        A learning rate of 0 alone would not hold them still: prodigy, for one, steps on by its momentum.
        """
        moving = []
        for group, stop in zip(self._groups, self._stop_steps, strict=True):
            parameters = list(group.parameters.values())
            if self.step < stop:
                moving += parameters
                continue
            for parameter in parameters:
                parameter.grad = None
        return moving


def stop_step(group: ParamGroup, total_steps: int) -> int:
    """How many steps a group trains, at least one."""
    share = 1.0 if group.stop_after is None else group.stop_after
    return max(1, round(share * total_steps))


def named_parameters(groups: Sequence[ParamGroup]) -> dict[str, nn.Parameter]:
    """All parameters of the groups, as ``group/name``."""
    return {f"{g.name}/{name}": p for g in groups for name, p in g.parameters.items()}


def _shapes(tensors: dict[str, Any]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
