"""The adapter that a checkpoint holds: what would have been exported, had training ended there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.adapters.adapter import Adapter
from studio.training.checkpoints import read_checkpoint
from studio.training.environment import make_accelerator
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.pauses import exported
from studio.training.settings import PrecisionSettings
from studio.training.state import TrainingState
from studio.training.trainer import Trainer


def adapter_at(
    trainer: Trainer[Any],
    checkpoint: Path,
    optimizer: OptimizerSettings,
    precision: PrecisionSettings,
) -> Adapter:
    """Restore a checkpoint as `resume` does and export it as the end of training does.

    The whole state comes back, for the averages that are exported belong to the optimizer as well.

    Args:
        trainer: of the checkpoint's recipe, not attached yet. Its base is no clean one afterwards.
        checkpoint: its folder.

    Raises:
        RunError: it is damaged, or holds other weights than the recipe trains.
    """
    groups = trainer.attach()
    content = read_checkpoint(checkpoint)
    accelerator = make_accelerator(precision, trainer.base.device)
    state = TrainingState(groups, optimizer, content.total_steps, accelerator)
    state.restore(content)
    return exported(trainer, state)
