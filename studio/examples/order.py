"""Which examples make up which batch: a pure function of the seed and the batch's number. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from studio.examples.buckets import Bucket

if TYPE_CHECKING:
    from studio.training.randomness import RandomStreams


class View(NamedTuple):
    """One showing of one example.

    Attributes:
        item: the example's index.
        view: how often it was shown before.
    """

    item: int
    view: int


class ExampleOrder:
    """Batches of one bucket each, all full, in which every example is shown equally often.

    Each bucket deals out its examples epoch after epoch, in a new order each time, without regard to
    where a batch ends, so no batch is short. Over a *cycle* of as many batches as there are examples,
    a bucket of n examples makes n batches, which is ``batch_size`` epochs of each. Within a cycle the
    buckets take turns in proportion, so a run that ends early has favoured none by more than a batch.

    Items are counted from ``first_item``: an order beside another one begins where that one's end, and
    so shares no draw with it.
    """

    def __init__(
        self,
        buckets: Sequence[Bucket],
        batch_size: int,
        streams: RandomStreams,
        first_item: int = 0,
    ) -> None:
        self._batch_size = batch_size
        self._streams = streams
        self._first_item = first_item
        self._items: dict[Bucket, list[int]] = {}
        for item, bucket in enumerate(buckets, start=first_item):
            self._items.setdefault(bucket, []).append(item)
        self._num_examples = len(buckets)

    def views(self, batch_number: int) -> list[View]:
        """What the given batch shows; batches are counted from 0 over the whole run."""
        cycle, slot = divmod(batch_number, self._num_examples)
        bucket, turn = self._turns(cycle)[slot]
        first = (cycle * len(self._items[bucket]) + turn) * self._batch_size
        return [self._deal(bucket, first + place) for place in range(self._batch_size)]

    def _turns(self, cycle: int) -> list[tuple[Bucket, int]]:
        """A cycle's batches as (bucket, its how-manieth): evenly spread, from a random offset."""
        timetable = []
        for index, (bucket, items) in enumerate(sorted(self._items.items())):
            offset = self._streams.uniform("bucket_offset", cycle, self._first_item + index)
            timetable += [
                ((turn + offset) / len(items), bucket, turn) for turn in range(len(items))
            ]
        return [(bucket, turn) for _, bucket, turn in sorted(timetable)]

    def _deal(self, bucket: Bucket, place: int) -> View:
        items = self._items[bucket]
        epoch, position = divmod(place, len(items))
        # The smallest item names the bucket's stream: unlike its index, it is no other bucket's ever.
        order = self._streams.permutation(len(items), "order", epoch, items[0])
        return View(items[order[position]], epoch)
