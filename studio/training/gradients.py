"""The forward and backward passes of one optimizer step, in as many parts as memory asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from accelerate.accelerator import Accelerator
from torch import nn

from studio.examples.batch import Batch
from studio.examples.loader import ExampleLoader
from studio.training.micro_batches import split
from studio.training.out_of_memory import MemoryShortage, free_cached_memory, is_out_of_memory
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer


class GradientPass:
    """Adds up the gradient of an optimizer step: the mean over its pictures, in several batches.

    A pass is a pure function of the weights, the step's number and the micro-batches' size: batches,
    noise, timesteps and dropout are all drawn by counter. Where memory is too small for a batch, it
    goes through in halves from then on, which give the same gradient but for rounding and dropout.

    Args:
        parameters: all that train; they have no gradient when a step begins.
        batch_size: examples to a batch; the loader's are all full.
        accumulation_steps: batches to a step.
        shortage: what to raise when not even one picture fits.
        tell: told, in one line, whenever micro-batches become smaller.
        micro_batch_size: pictures at once, as found before a resume; None: whole batches.

    Attributes:
        micro_batch_size: pictures at once as far as is known now; part of a checkpoint, for sums over
            other parts round differently.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        loader: ExampleLoader,
        accelerator: Accelerator,
        streams: RandomStreams,
        *,
        parameters: Iterable[nn.Parameter],
        batch_size: int,
        accumulation_steps: int,
        shortage: MemoryShortage,
        tell: Callable[[str], None],
        micro_batch_size: int | None = None,
    ) -> None:
        self.micro_batch_size = micro_batch_size or batch_size
        self._batch_size = batch_size
        self._trainer = trainer
        self._loader = loader
        self._accelerator = accelerator
        self._streams = streams
        self._parameters = list(parameters)
        self._accumulation_steps = accumulation_steps
        self._shortage = shortage
        self._tell = tell

    def run(self, step: int) -> float:
        """Make ``.grad`` the gradient of optimizer step ``step`` (from 0); returns the mean loss.

        Raises:
            UserError: memory is too small for a single picture.
        """
        while True:
            loss = self._attempt(step)
            if loss is not None:
                return loss
            # Out of the except block, so that nothing holds the activations any more.
            self.forget()
            free_cached_memory(self._trainer.base.device)
            self._halve(step)

    def forget(self) -> None:
        """Drop the gradient, whole or in part."""
        for parameter in self._parameters:
            parameter.grad = None

    def _attempt(self, step: int) -> float | None:
        """The mean loss; None, and part of a gradient, where memory has run out."""
        first = step * self._accumulation_steps
        try:
            losses = [self._batch(first + number) for number in range(self._accumulation_steps)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return sum(losses) / self._accumulation_steps

    def _batch(self, batch_number: int) -> float:
        batch = self._loader.batch(batch_number)
        device, total = self._trainer.base.device, 0.0
        for first, share, part in self._parts(batch):
            # Dropout modules draw from torch's global generator; seeded here, its state need not be
            # kept. Each part by its first place, lest all drop the same.
            with self._streams.seeding_torch("dropout", batch_number, first, device=device):
                with self._accelerator.autocast():
                    loss = self._trainer.loss(part, self._streams)
                scaled = loss * share / self._accumulation_steps
                self._accelerator.backward(scaled)  # type: ignore[no-untyped-call]
            total += share * loss.item()
        return total

    def _parts(self, batch: Batch) -> list[tuple[int, float, Batch]]:
        """What goes through at once: its first place in the batch, its share of it, itself."""
        size = self.micro_batch_size
        if size >= self._batch_size:
            return [(0, 1.0, batch)]
        return [
            (number * size, len(part.items) / self._batch_size, part)
            for number, part in enumerate(split(batch, size))
        ]

    def _halve(self, step: int) -> None:
        failed = self.micro_batch_size
        if failed == 1:
            raise self._shortage.error(f"at step {step + 1} with one picture at once")
        self.micro_batch_size = math.ceil(failed / 2)
        self._tell(
            f"out of memory at step {step + 1} with {failed} pictures at once; going on with "
            f"{self.micro_batch_size}, {self._passes()} passes to a batch: the same gradient, only "
            f"slower{self._same_from_the_start()}"
        )

    def _passes(self) -> int:
        return math.ceil(self._batch_size / self.micro_batch_size)

    def _same_from_the_start(self) -> str:
        """The recipe that needs no halving, where there is one."""
        if self._batch_size % self.micro_batch_size:
            return ""
        return (
            f"; optimizer.train_batch_size: {self.micro_batch_size} with gradient_accumulation_steps: "
            f"{self._passes() * self._accumulation_steps} asks for it from the start"
        )
