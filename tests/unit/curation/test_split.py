from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.split import split


def picture(index: int, twin: int | None = None, *, kept: bool = True) -> Picture:
    evidence = {} if twin is None else {"twin": f"{twin}.png"}
    findings = (
        (Finding("near_duplicate", "block", 1, 0.9, "repeats", evidence),) if evidence else ()
    )
    digest = hashlib.sha256(str(index).encode()).hexdigest()
    return Picture(f"{index}.png", digest, 64, 64, "", "none", findings, kept)


def curated(pictures) -> CuratedSet:
    return CuratedSet(Path("p"), tuple(pictures))


@st.composite
def sets(draw: st.DrawFn) -> CuratedSet:
    size = draw(st.integers(0, 40))
    twins = st.none() | st.integers(0, max(0, size - 1))
    return curated(
        picture(i, draw(twins) if i else None, kept=draw(st.integers(0, 4)) > 0)
        for i in range(size)
    )


def names(part: CuratedSet) -> set[str]:
    return {p.name for p in part.kept}


@given(sets(), st.floats(0, 0.5), st.integers(0, 5), st.randoms())
def test_split_properties(whole, share, seed, random):
    training, held_out = split(whole, share, seed)
    assert names(training) | names(held_out) == names(whole)
    assert not names(training) & names(held_out)
    assert len(held_out.kept) <= max(1, round(len(whole.kept) * share))
    assert not whole.kept or training.kept, "training is never left empty"
    for group in whole.duplicate_groups:
        assert not (set(group) & names(training) and set(group) & names(held_out))
    shuffled = random.sample(whole.pictures, len(whole.pictures))
    again = split(curated(shuffled), share, seed)
    assert (names(again[0]), names(again[1])) == (names(training), names(held_out))


@given(st.integers(5, 60), st.floats(0.001, 0.5), st.integers(0, 99))
def test_at_least_one_is_held_out_and_about_the_share(size, share, seed):
    _, held_out = split(curated(picture(i) for i in range(size)), share, seed)
    assert len(held_out.kept) == max(1, round(size * share))


@pytest.mark.parametrize(("size", "share"), [(4, 0.5), (50, 0.0), (0, 0.5)])
def test_nothing_is_held_out(size, share):
    training, held_out = split(curated(picture(i) for i in range(size)), share, 0)
    assert (len(training.kept), len(held_out.kept)) == (size, 0)


def test_the_seed_matters_and_names_do_not():
    whole = curated(picture(i) for i in range(40))
    first, other = (split(whole, 0.2, seed)[1] for seed in (0, 1))
    assert names(first) != names(other)
    renamed = curated(replace(p, name=f"new {p.name}") for p in whole.pictures)
    assert split(renamed, 0.2, 0)[1].digest == first.digest


def test_a_new_picture_moves_at_most_one():
    before = names(split(curated(picture(i) for i in range(40)), 0.2, 0)[1])
    after = names(split(curated(picture(i) for i in range(41)), 0.2, 0)[1])
    assert len(before - after) <= 1


def test_dropped_pictures_stay_in_the_training_record():
    whole = curated([*(picture(i) for i in range(6)), picture(6, kept=False)])
    training, held_out = split(whole, 0.3, 0)
    assert [p.name for p in training.dropped] == ["6.png"]
    assert held_out.dropped == ()


def test_duplicate_groups_join_over_chains_and_rings():
    whole = curated([picture(0, 2), picture(1, 0), picture(2, 1), picture(3), picture(4, 3)])
    assert whole.duplicate_groups == (("0.png", "1.png", "2.png"), ("3.png", "4.png"))
