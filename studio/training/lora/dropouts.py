"""Rank and module dropout of plain LoRA, which peft has for its other kinds only.

Both are kohya's ideas. They draw from torch's generator, which the engine seeds for every batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


def dropping_ranks(share: float) -> Hook:
    """A hook for the first matrix: in training it silences a share of ranks, others for each example.

    What is left speaks louder by 1 / (1 - share), so the expected change stays the same.
    """

    def hook(module: nn.Module, _: tuple[Tensor, ...], hidden: Tensor) -> Tensor:
        if not module.training:
            return hidden
        rank_dim = 1 if isinstance(module, nn.Conv2d) else hidden.dim() - 1
        shape = [n if dim in (0, rank_dim) else 1 for dim, n in enumerate(hidden.shape)]
        kept = torch.rand(shape, device=hidden.device) >= share
        return hidden * kept / (1 - share)

    return hook


def dropping_modules(share: float) -> Hook:
    """A hook for the second matrix: in training the whole change is silent with this chance."""

    def hook(module: nn.Module, _: tuple[Tensor, ...], change: Tensor) -> Tensor:
        if not module.training:
            return change
        return change * (torch.rand((), device=change.device) >= share)

    return hook
