"""Optimizers by their name in the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import optim

from studio.training.settings import OptimizerSettings
from studio.training.trainer import ParamGroup


def make_optimizer(groups: Sequence[ParamGroup], settings: OptimizerSettings) -> optim.Optimizer:
    """An optimizer over the groups, each with its own learning rate or else the recipe's."""
    params: list[dict[str, Any]] = [
        {
            "params": list(group.parameters.values()),
            "lr": group.learning_rate or settings.learning_rate,
        }
        for group in groups
    ]
    if settings.name == "sgd":
        return optim.SGD(params, weight_decay=settings.weight_decay)
    return optim.AdamW(params, betas=settings.betas, weight_decay=settings.weight_decay)
