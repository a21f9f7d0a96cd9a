from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.curation.settings import CaptionSettings
from studio.curation.trigger import with_trigger
from studio.examples.caption_pipeline import MAX_VARIANTS, CaptionPipeline
from studio.examples.order import View
from studio.training.randomness import RandomStreams

STREAMS = RandomStreams(4)
TAGS = ["fox", "red fur", "forest", "dusk", "side view", "smiling"]
TEXT = ", ".join(TAGS)
WORDS = st.text("abc xyz", min_size=1, max_size=6).map(str.strip).filter(bool)
TAG_LISTS = st.lists(WORDS, min_size=1, max_size=6, unique=True)


def pipeline(dropout: float = 0.0, trigger: str = "", **settings: object) -> CaptionPipeline:
    return CaptionPipeline(CaptionSettings.model_validate(settings), dropout, trigger)


def shown(captions: CaptionPipeline, text: str, views: int = 400) -> list[str]:
    return [captions.caption(text, View(3, view), STREAMS) for view in range(views)]


def tags(caption: str) -> list[str]:
    return caption.split(", ") if caption else []


@given(st.text(max_size=40))
def test_by_default_a_caption_is_shown_as_it_is(text: str) -> None:
    captions = CaptionPipeline()
    assert captions.caption(text, View(0, 0), STREAMS) == text
    assert captions.plain(text) == text
    assert captions.variants(text) == (text,)


def test_a_showing_depends_on_its_address_alone() -> None:
    captions = pipeline(
        0.1, shuffle_tags=True, tag_dropout=0.3, wildcards=True, draw_line=True, keep_tokens=1
    )
    text = f"{TEXT}, {{big|small}}\n{TEXT}"
    views = [View(item, view) for item in range(3) for view in range(20)]
    forwards = {view: captions.caption(text, view, STREAMS) for view in views}
    backwards = {view: captions.caption(text, view, STREAMS) for view in reversed(views)}
    assert forwards == backwards
    assert len(set(forwards.values())) > 30
    other = {view: captions.caption(text, view, RandomStreams(5)) for view in views}
    assert other != forwards


def test_caption_dropout_leaves_nothing_at_its_rate() -> None:
    captions = pipeline(0.25, prefix="a drawing of", suffix="on white")
    empty = shown(captions, TEXT).count("")
    assert 75 <= empty <= 125  # 100 expected, four standard deviations are 35


@given(TAG_LISTS, st.integers(0, 8), st.integers(0, 50))
def test_a_shuffle_keeps_every_tag_and_the_first_in_place(
    words: list[str], keep: int, view: int
) -> None:
    captions = pipeline(shuffle_tags=True, keep_tokens=keep)
    result = tags(captions.caption(", ".join(words), View(0, view), STREAMS))
    assert sorted(result) == sorted(words)
    assert result[:keep] == words[:keep]


def test_every_order_of_loose_tags_comes_about_as_often() -> None:
    captions = pipeline(shuffle_tags=True, keep_tokens=1)
    counts = Counter(shown(captions, "fox, a, b, c", 1200))
    assert len(counts) == 6
    assert all(150 <= count <= 250 for count in counts.values())  # 200 expected, sigma is 13


@given(TAG_LISTS, st.integers(0, 8), st.floats(0, 1), st.integers(0, 50))
def test_dropout_keeps_the_first_tags_and_the_order(
    words: list[str], keep: int, dropout: float, view: int
) -> None:
    captions = pipeline(tag_dropout=dropout, keep_tokens=keep)
    result = tags(captions.caption(", ".join(words), View(0, view), STREAMS))
    assert result[: min(keep, len(words))] == words[:keep]
    places = [words.index(tag) for tag in result]
    assert places == sorted(places)


def test_each_tag_is_dropped_at_the_rate_asked_for_and_alone() -> None:
    captions = pipeline(tag_dropout=0.3, keep_tokens=1)
    results = [tags(caption) for caption in shown(captions, TEXT, 1000)]
    counts = Counter(tag for result in results for tag in result)
    assert counts["fox"] == 1000
    assert all(640 <= counts[tag] <= 760 for tag in TAGS[1:])  # 700 expected, sigma is 14.5
    both = sum("forest" in result and "dusk" in result for result in results)
    assert 430 <= both <= 550  # 490 if independent, sigma is 15.8


def test_the_trigger_is_never_dropped_wherever_it_stands() -> None:
    captions = pipeline(trigger="SKS", tag_dropout=1.0)
    assert set(shown(captions, "fox, a sks thing, dusk", 20)) == {"a sks thing"}


def test_a_mark_keeps_what_is_before_it_and_after_a_second_one() -> None:
    captions = pipeline(
        shuffle_tags=True, tag_dropout=0.5, keep_tokens=5, keep_tokens_separator="|||"
    )
    results = shown(captions, "fox, red ||| a, b, c ||| end, close", 60)
    assert len(set(results)) > 6
    assert all(r.startswith("fox, red") and r.endswith("end, close") for r in results)
    assert not any("|" in r for r in results)
    unmarked = shown(captions, "1, 2, 3, 4, 5", 5)
    assert set(unmarked) == {"1, 2, 3, 4, 5"}, "without the mark, keep_tokens counts"


def test_a_mark_is_taken_out_even_where_nothing_varies() -> None:
    captions = pipeline(keep_tokens_separator="|||")
    assert shown(captions, "fox ||| a, b", 1) == ["fox, a, b"]
    assert captions.plain("fox ||| a, b") == "fox, a, b"
    assert captions.variants("fox ||| a, b") == ("fox, a, b",)


def test_wildcards_draw_each_alternative_alike_and_apart() -> None:
    captions = pipeline(wildcards=True)
    text = "a {red|blue|green} {fox|cat} {tail|}, {x}"
    counts = Counter(shown(captions, text, 1200))
    assert len(counts) == 12
    assert all(60 <= count <= 140 for count in counts.values())  # 100 expected, sigma is 9.6
    assert "a red fox, x" in {c.replace(" ,", ",") for c in counts}
    variants = pipeline(wildcards=True).variants("a {red|blue} {fox|cat}")
    assert variants == ("a red fox", "a red cat", "a blue fox", "a blue cat")


def test_an_empty_alternative_leaves_no_hole_among_tags() -> None:
    captions = pipeline(wildcards=True)
    assert set(shown(captions, "fox, {red|}, dusk", 30)) == {"fox, red, dusk", "fox, dusk"}


def test_wildcards_that_hold_tags_are_drawn_before_tags_are_counted() -> None:
    captions = pipeline(wildcards=True, shuffle_tags=True, keep_tokens=2)
    results = shown(captions, "{red, big|small}, fox, dusk", 80)
    assert {tuple(tags(r)[:2]) for r in results} == {("red", "big"), ("small", "fox")}


def test_one_line_is_drawn_at_each_showing() -> None:
    captions = pipeline(draw_line=True)
    counts = Counter(shown(captions, "one\ntwo\nthree", 600))
    assert set(counts) == {"one", "two", "three"}
    assert all(150 <= count <= 250 for count in counts.values())
    assert captions.variants("one\ntwo\nthree") == ("one", "two", "three")


def test_the_trigger_stands_in_every_line() -> None:
    assert with_trigger("one\na sks two", "sks") == "sks, one\na sks two"


def test_a_trigger_in_a_caption_gets_the_spelling_that_is_learned() -> None:
    assert with_trigger("My Mascot runs", "mascot") == "My mascot runs"
    assert with_trigger(r"a \1 B", r"\1 b") == r"a \1 b"


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("a photo of", "", "a photo of a fox"),
        ("", "in the snow", "a fox in the snow"),
        ("", ", best quality", "a fox, best quality"),
        ("style,", ".", "style, a fox."),
    ],
)
def test_prefix_and_suffix_stand_around_the_caption(
    prefix: str, suffix: str, expected: str
) -> None:
    captions = pipeline(prefix=prefix, suffix=suffix, shuffle_tags=True)
    assert captions.plain("a fox") == expected
    assert set(shown(captions, "a fox", 5)) == {expected}


def test_the_plain_caption_is_the_first_of_everything() -> None:
    captions = pipeline(
        0.9, wildcards=True, draw_line=True, shuffle_tags=True, tag_dropout=0.9, prefix="art,"
    )
    assert captions.plain("a {red|blue} fox, dusk\nanother") == "art, a red fox, dusk"


def test_another_separator() -> None:
    captions = pipeline(shuffle_tags=True, tag_separator=";", keep_tokens=1)
    assert set(shown(captions, "fox; a, b;c", 20)) == {"fox; a, b; c", "fox; c; a, b"}


@pytest.mark.parametrize("vary", [{"shuffle_tags": True}, {"tag_dropout": 0.1}])
def test_captions_that_vary_by_tags_are_not_enumerated(vary: dict[str, object]) -> None:
    assert pipeline(**vary).variants(TEXT) is None


@given(st.lists(st.integers(1, 6), max_size=4))
def test_variants_are_all_that_is_ever_shown(sizes: list[int]) -> None:
    text = " ".join("{" + "|".join(f"{n}{i}" for i in range(n)) + "}" for n in sizes) or "plain"
    captions = pipeline(wildcards=True, suffix="!")
    variants = captions.variants(text)
    outcomes = 1
    for size in sizes:
        outcomes *= size
    if outcomes > MAX_VARIANTS:
        assert variants is None
    else:
        assert variants is not None
        assert len(variants) == outcomes
        assert set(shown(captions, text, 30)) <= set(variants)
        assert captions.plain(text) == variants[0]
