"""An adapter from a checkpoint is the one that would have been exported there."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.bases.base_model import BaseModel
from studio.errors import RunError
from studio.registry import plugin
from studio.training.checkpoint_adapter import adapter_at
from studio.training.checkpoints import CheckpointFolder, Fingerprint
from studio.training.environment import make_accelerator
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.pauses import exported
from studio.training.settings import PrecisionSettings
from studio.training.state import TrainingState, named_parameters
from studio.training.trainer import Trainer, TrainingContext

PRECISION = PrecisionSettings()


def lora(base: BaseModel) -> Trainer[Any]:
    known = plugin("lora")
    return known.load()(known.settings(rank=2), base, TrainingContext(resolution_px=64, seed=3))


@pytest.mark.parametrize(
    "optimizer",
    [
        OptimizerSettings(learning_rate=1e-2),
        OptimizerSettings(learning_rate=1e-2, ema_decay=0.9),
        OptimizerSettings(name="adamw_schedule_free", learning_rate=1e-2),
    ],
    ids=["plain", "averaged", "schedule-free"],
)
def test_it_is_what_would_have_been_exported_there(
    optimizer: OptimizerSettings, tiny_base: BaseModel, tmp_path: Path
) -> None:
    untouched = copy.deepcopy(tiny_base)
    trainer = lora(tiny_base)
    groups = trainer.attach()
    state = TrainingState(groups, optimizer, 4, make_accelerator(PRECISION, tiny_base.device))
    for step in range(2):
        for parameter in named_parameters(groups).values():
            parameter.grad = torch.full_like(parameter, 1.0 + step)
        assert state.advance()
        state.update_average()
    wanted = exported(trainer, state)
    saved = CheckpointFolder(tmp_path, 1, Fingerprint("r", "e")).save(state.checkpoint())

    found = adapter_at(lora(untouched), saved, optimizer, PRECISION)

    assert found.header == wanted.header
    assert found.header.steps == 2
    assert found.tensors.keys() == wanted.tensors.keys()
    assert all(torch.equal(found.tensors[name], wanted.tensors[name]) for name in wanted.tensors)


def test_a_damaged_checkpoint_is_refused(tiny_base: BaseModel, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(RunError, match="no whole checkpoint"):
        adapter_at(lora(tiny_base), tmp_path, OptimizerSettings(), PRECISION)
