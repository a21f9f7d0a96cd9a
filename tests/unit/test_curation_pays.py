"""The parts of the benchmarks that need no model: sections of a page, sets with strangers, intervals."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.curation.manifest import CuratedSet, Finding, Picture

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from crossed_bootstrap import estimated
from results_page import with_section, write_section
from strangers import KINDS, divided, doubted, strangers_among, write_set
from strangers_cost import Scale

NAMES = [f"{number:02d}.png" for number in range(40)]


def test_a_command_replaces_its_own_section_and_no_other() -> None:
    page = with_section(with_section("# Results\n", "one", "first"), "two", "second")
    again = with_section(page, "one", "new")
    assert again == page.replace("first", "new")
    assert with_section(again, "one", "first") == page


def test_the_first_section_begins_the_page(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    write_section("one", "## One\n", page)
    assert page.read_text() == "# Results\n\n<!-- begin one -->\n\n## One\n\n<!-- end one -->\n"


def test_a_section_that_does_not_end_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="<!-- end one -->"):
        with_section("# Results\n<!-- begin one -->\nby hand", "one", "new")


def test_nothing_is_both_trained_on_and_held_out() -> None:
    held_out, training = divided(NAMES, 10)
    assert len(held_out) == 10
    assert sorted(held_out + training) == NAMES
    assert divided(NAMES[::-1], 10) == (held_out, training)


def test_another_seed_has_other_strangers_of_the_same_kinds() -> None:
    first, second = strangers_among(NAMES, 0), strangers_among(NAMES, 1)
    assert first != second
    wanted = {name: kind.count for name, kind in KINDS.items()}
    assert Counter(first.values()) == Counter(second.values()) == wanted


def test_strangers_are_changed_and_all_others_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, name in enumerate(NAMES[:6]):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / name)
        (source / name).with_suffix(".txt").write_text(f"thing {number}")
    strangers = dict(zip(NAMES, KINDS, strict=False))
    write_set(source, tmp_path / "mixed", NAMES[:6], strangers, seed=0)
    same = {
        name
        for name in NAMES[:6]
        if (tmp_path / "mixed" / name).read_bytes() == (source / name).read_bytes()
    }
    assert same == set(NAMES[len(KINDS) : 6])
    assert (tmp_path / "mixed" / "00.txt").read_text() == "thing 0"
    with Image.open(tmp_path / "mixed" / NAMES[0]) as stranger:
        assert stranger.size == (32, 32)


def test_what_is_dropped_or_warned_of_is_doubted() -> None:
    def picture(name: str, severity: str, kept: bool) -> Picture:
        finding = Finding("blur", severity, 1, 0, "")  # type: ignore[arg-type]
        return Picture(name, "", 8, 8, "", "none", (finding,), kept)

    pictures = [("a", "info", True), ("b", "warn", True), ("c", "block", False)]
    curated = CuratedSet(Path(), tuple(picture(*p) for p in pictures))
    assert doubted(curated) == ("b", "c")


def test_intervals_hold_the_figure_and_pairs_are_compared_within_the_same_draw() -> None:
    rng = np.random.default_rng(0)
    worse = rng.normal(0, 1, (3, 40))
    arms = {"worse": worse, "better": worse + 0.5}
    found = estimated(
        {
            name: lambda seeds, prompts, values=values: float(values[np.ix_(seeds, prompts)].mean())
            for name, values in arms.items()
        },
        num_seeds=3,
        num_prompts=40,
        resamples=200,
    )
    assert found["worse"].low < worse.mean() < found["worse"].high
    assert found["better - worse"].value == pytest.approx(0.5)
    assert found["better - worse"].low == pytest.approx(0.5)


def test_film_is_measured_from_the_held_out_pictures_to_the_same_on_film() -> None:
    rng = np.random.default_rng(0)
    held_out = rng.normal(0, 1, (20, 45))
    filmed = held_out + rng.normal(0, 1, 45)
    scale = Scale(rng.normal(4, 1, (4, 2, 45)), held_out, filmed)
    drawn = 0.7 * held_out[:8].reshape(4, 2, 45) + 0.3 * filmed[:8].reshape(4, 2, 45)
    centred = drawn - drawn.mean(axis=(0, 1)) + 0.7 * held_out.mean(0) + 0.3 * filmed.mean(0)
    everything = np.arange(4)
    assert scale.film(centred, everything) == pytest.approx(0.3)
    assert scale.style(scale.base, everything) == pytest.approx(0)
    assert scale.style(drawn, everything) > 0.5
