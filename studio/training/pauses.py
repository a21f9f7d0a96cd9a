"""What is done between two steps with what has been learned so far: exported, drawn with, measured.

None of it leaves a trace in training: weights, modes and the state of torch's generators are as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.training.environment import module_mode
from studio.training.listeners import ValidationReport
from studio.training.state import TrainingState
from studio.training.trainer import Trainer
from studio.training.validation import Validate

Sample = Callable[[Adapter, int], None]
"""Draws pictures with an adapter after a step; the base model is clean and in eval mode meanwhile."""


def exported(trainer: Trainer[Any], state: TrainingState) -> Adapter:
    """The adapter as it is after the last step, averaged where the recipe asks for it."""
    with state.averaged():
        adapter = trainer.adapter()
    return replace(adapter, header=replace(adapter.header, steps=state.step))


def draw(sample: Sample, trainer: Trainer[Any], state: TrainingState) -> None:
    """Sample as other tools will: with the adapter that would be exported, on the base without it."""
    adapter = exported(trainer, state)
    with _at_rest(trainer.base), trainer.detached():
        sample(adapter, state.step)


def measure(validate: Validate, trainer: Trainer[Any], state: TrainingState) -> ValidationReport:
    """Validate with the weights that would be exported, where they train, without dropout."""
    with _at_rest(trainer.base), state.averaged(), state.autocast():
        return validate(state.step)


@contextmanager
def _at_rest(base: BaseModel) -> Iterator[None]:
    device = None if base.device.type == "cpu" else base.device
    with (
        torch.random.fork_rng([device] if device else [], device_type=base.device.type),
        torch.no_grad(),
        module_mode(base.unet, *base.text_encoders, training=False),
    ):
        yield
