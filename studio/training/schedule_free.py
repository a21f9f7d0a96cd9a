"""The weights that a schedule-free optimizer has found, as opposed to those that it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def evaluation_point(optimizer: Any, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """The average x in place of y, where gradients are taken, for the length of a ``with`` block.

    Defazio et al., 2024 (arXiv 2405.15682): y lies between x and the sequence z of plain steps; x is
    what converges. The optimizer's own ``eval`` and ``train`` compute x from y and y from x, which
    rounds, so y is laid aside: how often one has looked must not change what is trained.

    Args:
        optimizer: with ``train`` and ``eval``, now in train mode.
        parameters: all that it trains.
    """
    trained = {name: parameter.data for name, parameter in parameters.items()}
    try:
        for parameter in parameters.values():
            parameter.data = parameter.data.clone()
        optimizer.eval()
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = trained[name]
        for group in optimizer.param_groups:
            group["train_mode"] = True
