"""What is said of an optimizer's state beside the state of a real one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.planning.optimizer_state import state_bytes
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.optimizers import make_optimizer
from studio.training.trainer import ParamGroup

NAMES = (
    "adamw",
    "adamw_8bit",
    "lion",
    "lion_8bit",
    "adafactor",
    "prodigy",
    "adamw_schedule_free",
    "sgd",
)


@pytest.mark.parametrize("name", NAMES)
def test_state_is_as_large_as_said(name: str) -> None:
    parameters = {"wide": nn.Parameter(torch.ones(96, 128)), "bias": nn.Parameter(torch.ones(64))}
    optimizer = make_optimizer([ParamGroup("all", parameters)], OptimizerSettings(name=name))
    if hasattr(optimizer, "train"):
        optimizer.train()
    for parameter in parameters.values():
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step()
    seen = {
        value.untyped_storage().data_ptr(): value.untyped_storage().nbytes()
        for state in optimizer.state.values()
        for key, value in state.items()
        if isinstance(value, torch.Tensor) and not key.startswith("qmap")
    }
    expected = state_bytes(name, parameters.values())
    assert expected == pytest.approx(sum(seen.values()), rel=0.02, abs=64)
