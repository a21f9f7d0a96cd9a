"""The forward and backward passes of one optimizer step."""

from __future__ import annotations

from typing import Any

from accelerate.accelerator import Accelerator

from studio.examples.loader import ExampleLoader
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer


class GradientPass:
    """Adds up the gradient of an optimizer step: the mean over its pictures, in several batches.

    A pass is a pure function of the weights and the step's number: batches, noise, timesteps and dropout
    are all drawn by counter.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        loader: ExampleLoader,
        accelerator: Accelerator,
        streams: RandomStreams,
        accumulation_steps: int,
    ) -> None:
        self._trainer = trainer
        self._loader = loader
        self._accelerator = accelerator
        self._streams = streams
        self._accumulation_steps = accumulation_steps

    def run(self, step: int) -> float:
        """Add the gradient of optimizer step ``step`` (from 0) to ``.grad``; returns the mean loss."""
        first = step * self._accumulation_steps
        losses = [self._batch(first + micro) for micro in range(self._accumulation_steps)]
        return sum(losses) / self._accumulation_steps

    def _batch(self, batch_number: int) -> float:
        batch = self._loader.batch(batch_number)
        device = self._trainer.base.device
        # Dropout modules draw from torch's global generator; seeded here, its state need not be kept.
        with self._streams.seeding_torch("dropout", batch_number, device=device):
            with self._accelerator.autocast():
                loss = self._trainer.loss(batch, self._streams)
            share = loss / self._accumulation_steps
            self._accelerator.backward(share)  # type: ignore[no-untyped-call]
        return loss.item()
