"""Prior examples: a batch of their own beside every batch, with draws of their own."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.examples.batch import Batch
from studio.examples.buckets import Bucket
from studio.examples.caption_pipeline import CaptionPipeline
from studio.examples.encoding import EncodedExamples, Rendition, prior_settings
from studio.examples.example import Example
from studio.examples.framing import Framing
from studio.examples.latent_cache import LatentMoments
from studio.examples.loader import ExampleLoader
from studio.training.randomness import RandomStreams

SHAPES = (Bucket(16, 16), Bucket(24, 8))
BUCKETS = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=6)


def encoded(buckets: list[Bucket], name: str) -> EncodedExamples:
    """Examples whose latents are their number, without noise, so that each can be told."""
    renditions = []
    for item, bucket in enumerate(buckets):
        shape = (4, bucket.height_px // 8, bucket.width_px // 8)
        moments = LatentMoments(torch.full(shape, float(item)), torch.zeros(shape))
        ids = torch.tensor(Framing().time_ids(99, 99, bucket), dtype=torch.float32)
        renditions.append([Rendition(Framing(), moments, ids)])
    return EncodedExamples(
        examples=[
            Example(Path(f"{n}.png"), name, 99, 99, f"{name} {n}") for n in range(len(buckets))
        ],
        buckets=buckets,
        renditions=renditions,
        conditionings=None,
        captions=CaptionPipeline(dropout=0.3),
        flip_probability=0.0,
        scaling_factor=1.0,
    )


def loader(own: list[Bucket], prior: list[Bucket] | None, size: int = 2) -> ExampleLoader:
    others = None if prior is None else encoded(prior, "prior")
    streams, device = RandomStreams(0), torch.device("cpu")
    return ExampleLoader(encoded(own, "own"), size, streams, device, others)


def assert_same(a: Batch, b: Batch) -> None:
    assert a.latents.equal(b.latents)
    assert (a.captions, a.addresses) == (b.captions, b.addresses)


@settings(max_examples=12, deadline=None)
@given(BUCKETS, BUCKETS, st.integers(1, 4))
def test_no_address_is_taken_twice_in_a_run(
    own: list[Bucket], prior: list[Bucket], size: int
) -> None:
    batches = [loader(own, prior, size).batch(number) for number in range(10)]
    assert all(b.prior is not None and len(b.prior.items) == size for b in batches)
    both = [a for b in batches for a in (*b.addresses, *(b.prior.addresses if b.prior else ()))]
    assert len(set(both)) == len(both) == 20 * size
    assert all(item < len(own) for b in batches for item in b.items)
    prior_items = [item for b in batches if b.prior for item in b.prior.items]
    assert all(len(own) <= item < len(own) + len(prior) for item in prior_items)


def test_prior_items_come_with_their_own_latents_and_captions() -> None:
    made = loader([SHAPES[0]] * 3, [SHAPES[1]] * 4)
    for number in range(10):
        prior = made.batch(number).prior
        assert prior is not None
        assert prior.prior is None
        assert prior.latents.shape[2:] == (1, 3), "its own bucket, whatever that of the batch"
        assert [int(x[0, 0, 0]) for x in prior.latents] == [item - 3 for item in prior.items]
        for caption, item in zip(prior.captions, prior.items, strict=True):
            assert caption in ("", f"prior {item - 3}")


def test_prior_examples_change_nothing_about_the_others() -> None:
    own = [*SHAPES, SHAPES[0]]
    alone, beside = loader(own, None), loader(own, [*SHAPES])
    assert alone.num_examples == beside.num_examples == 3
    for number in range(12):
        one = alone.batch(number)
        assert one.prior is None
        assert_same(one, beside.batch(number))


def test_prior_batches_are_a_function_of_their_number() -> None:
    one, two = (loader([SHAPES[0]] * 2, [*SHAPES]) for _ in range(2))
    forwards = [one.batch(number).prior for number in range(10)]
    backwards = [two.batch(number).prior for number in reversed(range(10))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert a is not None
        assert b is not None
        assert_same(a, b)


def test_the_order_of_prior_examples_is_not_that_of_the_others() -> None:
    made = loader([SHAPES[0]] * 9, [SHAPES[0]] * 9, size=9)
    batch = made.batch(0)
    assert batch.prior is not None
    assert [item - 9 for item in batch.prior.items] != batch.items


def test_the_digest_covers_prior_examples() -> None:
    own = [SHAPES[0]]
    digests = {loader(own, prior).digest for prior in (None, [SHAPES[0]], [SHAPES[1]])}
    assert len(digests) == 3
    assert loader(own, None).digest == encoded(own, "own").digest


def test_prior_captions_and_pictures_are_taken_whole() -> None:
    dataset = DatasetSettings(
        source="p",
        trigger="sks",
        mask="alpha",
        caption=CaptionSettings(shuffle_tags=True, prefix="art of"),
        crop="random",
        flip_probability=0.5,
    )
    plain = prior_settings(dataset)
    assert plain.caption == CaptionSettings()
    assert (plain.mask, plain.trigger) == ("none", "")
    assert (plain.crop, plain.flip_probability) == ("random", 0.5)
