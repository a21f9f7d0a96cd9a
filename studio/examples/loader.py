"""Batches by number, from encoded examples."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from studio.bases.conditioning import Conditioning
from studio.examples.batch import Batch
from studio.examples.encoding import EncodedExamples, Rendition
from studio.examples.order import ExampleOrder, View

if TYPE_CHECKING:
    from studio.training.randomness import RandomStreams


class ExampleLoader:
    """Makes any batch of a run at any time: a batch is a pure function of (seed, batch number).

    With prior examples each batch carries one of those, of the same size, in an order and with draws
    of their own: their items count on from the last of the examples. The two batches need not be of
    one bucket.
    """

    def __init__(
        self,
        encoded: EncodedExamples,
        batch_size: int,
        streams: RandomStreams,
        device: torch.device,
        prior: EncodedExamples | None = None,
        *,
        first_item: int = 0,
    ) -> None:
        self.encoded = encoded
        self.batch_size = batch_size
        self._streams = streams
        self._device = device
        self._first_item = first_item
        self._order = ExampleOrder(encoded.buckets, batch_size, streams, first_item)
        self._prior: ExampleLoader | None = None
        if prior is not None:
            after = first_item + self.num_examples
            self._prior = ExampleLoader(prior, batch_size, streams, device, first_item=after)

    @property
    def num_examples(self) -> int:
        """How many there are to learn from; prior examples do not count."""
        return len(self.encoded.examples)

    @property
    def digest(self) -> str:
        """SHA-256 over all examples, prior ones included: what a resumed run must find."""
        if self._prior is None:
            return self.encoded.digest
        return hashlib.sha256(f"{self.encoded.digest} {self._prior.digest}".encode()).hexdigest()

    def batch(self, batch_number: int) -> Batch:
        """The batch of the given number, counted from 0 over the whole run."""
        views = self._order.views(batch_number)
        shown = [self._rendition(view) for view in views]
        captions = [self._caption(view) for view in views]
        latents = [self._latents(r, view) for r, view in zip(shown, views, strict=True)]
        weights = [self.encoded.examples[self._index(view)].weight for view in views]
        return Batch(
            latents=torch.stack(latents).to(self._device),
            conditioning=self._guided(shown, views) or self._conditioning(captions),
            captions=captions,
            items=[view.item for view in views],
            views=[view.view for view in views],
            weights=torch.tensor(weights, dtype=torch.float32, device=self._device),
            masks=self._masks(shown),
            time_ids=torch.stack([r.time_ids for r in shown]).to(self._device),
            prior=None if self._prior is None else self._prior.batch(batch_number),
        )

    def _rendition(self, view: View) -> Rendition:
        flipped = self._draws("flip", view) < self.encoded.flip_probability
        crops = [
            rendition
            for rendition in self.encoded.renditions[self._index(view)]
            if rendition.framing.flipped == flipped
        ]
        if len(crops) == 1:
            return crops[0]
        return crops[self._streams.integer(0, len(crops), "crop", view.view, view.item)]

    def _latents(self, rendition: Rendition, view: View) -> Tensor:
        moments = rendition.moments
        noise = self._streams.normal(moments.mean.shape, "posterior", view.view, view.item)
        return moments.latents(noise, self.encoded.scaling_factor)

    def _caption(self, view: View) -> str:
        text = self.encoded.examples[self._index(view)].caption
        return self.encoded.captions.caption(text, view, self._streams)

    def _guided(self, shown: list[Rendition], views: list[View]) -> Conditioning | None:
        """What clips begin with, now and then nothing; None where captions are read."""
        parts = [rendition.conditioning for rendition in shown]
        dropout = self.encoded.captions.dropout
        given = [
            part.zeros() if self._draws("caption_dropout", view) < dropout else part
            for part, view in zip(parts, views, strict=True)
            if part is not None
        ]
        return Conditioning.joined(given).to(self._device, torch.float32) if given else None

    def _conditioning(self, captions: list[str]) -> Conditioning | None:
        by_caption = self.encoded.conditionings
        if by_caption is None:
            return None
        return Conditioning.joined([by_caption[c] for c in captions]).to(
            self._device, torch.float32
        )

    def _masks(self, shown: list[Rendition]) -> Tensor | None:
        masks = [rendition.mask for rendition in shown if rendition.mask is not None]
        return torch.stack(masks).to(self._device) if masks else None

    def _index(self, view: View) -> int:
        return view.item - self._first_item

    def _draws(self, stream: str, view: View) -> float:
        return self._streams.uniform(stream, view.view, view.item)
