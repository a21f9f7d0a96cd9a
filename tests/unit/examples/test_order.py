from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from studio.examples.buckets import Bucket
from studio.examples.order import ExampleOrder
from studio.training.randomness import RandomStreams

SHAPES = (Bucket(64, 64), Bucket(80, 48), Bucket(48, 80))
BUCKETS = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=12)


@given(BUCKETS, st.integers(1, 5), st.integers(0, 99))
def test_a_cycle_shows_each_example_equally_often(
    buckets: list[Bucket], batch_size: int, seed: int
) -> None:
    order = ExampleOrder(buckets, batch_size, RandomStreams(seed))
    shown = [v for number in range(2 * len(buckets)) for v in order.views(number)]
    assert Counter(v.item for v in shown) == dict.fromkeys(range(len(buckets)), 2 * batch_size)
    assert len(set(shown)) == len(shown), "a view came twice: its noise would be drawn twice"
    assert {v.view for v in shown} == set(range(2 * batch_size))


@given(BUCKETS, st.integers(1, 5), st.integers(0, 99))
def test_a_batch_is_full_and_of_one_bucket(
    buckets: list[Bucket], batch_size: int, number: int
) -> None:
    views = ExampleOrder(buckets, batch_size, RandomStreams(0)).views(number)
    assert len(views) == batch_size
    assert len({buckets[v.item] for v in views}) == 1


@given(BUCKETS, st.integers(0, 40))
def test_no_bucket_is_ahead_by_more_than_its_due(buckets: list[Bucket], stop: int) -> None:
    order = ExampleOrder(buckets, 1, RandomStreams(3))
    batches = Counter(buckets[order.views(number)[0].item] for number in range(stop))
    for bucket, examples in Counter(buckets).items():
        assert abs(batches[bucket] - stop * examples / len(buckets)) <= len(SHAPES)


def test_batches_may_be_asked_for_in_any_order() -> None:
    buckets = [SHAPES[0]] * 3 + [SHAPES[1]] * 2
    forwards = ExampleOrder(buckets, 2, RandomStreams(1))
    expected = [forwards.views(number) for number in range(20)]
    backwards = ExampleOrder(buckets, 2, RandomStreams(1))
    assert [backwards.views(number) for number in reversed(range(20))] == expected[::-1]


def test_another_seed_is_another_order() -> None:
    buckets = [SHAPES[0]] * 8
    one, two = (ExampleOrder(buckets, 8, RandomStreams(seed)).views(0) for seed in (1, 2))
    assert one != two
