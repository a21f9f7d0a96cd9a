"""Batches by number, from encoded examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from studio.examples.batch import Batch
from studio.examples.encoding import EncodedExamples
from studio.examples.order import ExampleOrder, View

if TYPE_CHECKING:
    from studio.training.randomness import RandomStreams


class ExampleLoader:
    """Makes any batch of a run at any time: a batch is a pure function of (seed, batch number)."""

    def __init__(
        self,
        encoded: EncodedExamples,
        batch_size: int,
        streams: RandomStreams,
        device: torch.device,
    ) -> None:
        self.encoded = encoded
        self.batch_size = batch_size
        self._streams = streams
        self._device = device
        self._order = ExampleOrder(encoded.buckets, batch_size, streams)

    @property
    def num_examples(self) -> int:
        return len(self.encoded.examples)

    def batch(self, batch_number: int) -> Batch:
        """The batch of the given number, counted from 0 over the whole run."""
        views = self._order.views(batch_number)
        captions = [self._caption(v) for v in views]
        weights = [self.encoded.examples[v.item].weight for v in views]
        return Batch(
            latents=torch.stack([self._latents(v) for v in views]).to(self._device),
            encoder_hidden_states=self._hidden_states(captions),
            captions=captions,
            items=[v.item for v in views],
            views=[v.view for v in views],
            weights=torch.tensor(weights, dtype=torch.float32, device=self._device),
        )

    def _latents(self, view: View) -> Tensor:
        flipped = self._draws("flip", view) < self.encoded.flip_probability
        moments = self.encoded.flipped_moments if flipped else self.encoded.moments
        of_item = moments[view.item]
        noise = self._streams.normal(of_item.mean.shape, "posterior", view.view, view.item)
        return of_item.latents(noise, self.encoded.scaling_factor)

    def _caption(self, view: View) -> str:
        dropped = self._draws("caption_dropout", view) < self.encoded.caption_dropout
        return "" if dropped else self.encoded.examples[view.item].caption

    def _hidden_states(self, captions: list[str]) -> Tensor | None:
        by_caption = self.encoded.hidden_states
        if by_caption is None:
            return None
        return torch.stack([by_caption[c] for c in captions]).to(self._device)

    def _draws(self, stream: str, view: View) -> float:
        return self._streams.uniform(stream, view.view, view.item)
