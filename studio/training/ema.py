"""Exponential moving average of the adapter's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """average <- decay * average + (1 - decay) * weights, after every optimizer step.

    In the first steps the decay is lower, (1 + n) / (10 + n), or the average would remember the start.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self.average: dict[str, Tensor] = {n: p.detach().clone() for n, p in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after the given step, the first being 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, parameter in self._parameters.items():
            self.average[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def load(self, average: Mapping[str, Tensor]) -> None:
        for name, tensor in self.average.items():
            tensor.copy_(average[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The average in place of the weights, for the length of a ``with`` block."""
        weights = {name: parameter.data for name, parameter in self._parameters.items()}
        try:
            for name, parameter in self._parameters.items():
                parameter.data = self.average[name]
            yield
        finally:
            for name, parameter in self._parameters.items():
                parameter.data = weights[name]
