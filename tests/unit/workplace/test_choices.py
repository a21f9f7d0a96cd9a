"""What a gallery is narrowed to, which pictures are copies, and what a caption comes to."""

from __future__ import annotations

from pathlib import Path

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.reading import Piece, Reading
from studio.workplace.caption_facts import caption_facts
from studio.workplace.choices import choices, kept_by_checks, narrowed, worst
from studio.workplace.copies import copies
from studio.workplace.judgement import Judgement

BLUR = Finding("blur", "warn", 3, 1.8, "looks blurred")
COPY = Finding("near_duplicate", "block", 0.98, 0.94, "repeats a.png", {"twin": "a.png"})
BY_HAND = Finding("kept_by_hand", "info", 1, 0, "kept by hand", {"decided_by": "hand"})
BACK = Finding("tone", "info", 6, 5, "stands out", {"twin": "b.png"})
A = Picture("a.png", "1", 64, 64, "a", "txt", (BACK, BLUR))
B = Picture("b.png", "2", 64, 64, "b", "txt", (BLUR, COPY, BY_HAND))
C = Picture("c.png", "3", 64, 64, "c", "txt", (COPY,), kept=False)
D = Picture("d.png", "4", 64, 64, "d", "txt")
SET = CuratedSet(Path("x"), (A, B, C, D))


def test_choices_are_counted_and_the_commonest_comes_first() -> None:
    found = [(choice.key, choice.count) for choice in choices(SET)]
    groups = [("all", 4), ("kept", 3), ("dropped", 1), ("by-you", 1)]
    assert found == [*groups, ("blur", 2), ("near_duplicate", 2), ("tone", 1)]
    assert [c.title for c in choices(SET)][4] == "blurred"


def test_each_choice_shows_its_pictures_and_an_unknown_one_all() -> None:
    counted = {choice.key: choice.count for choice in choices(SET)}
    for key, count in counted.items():
        assert len(narrowed(SET, key)) == count
    assert narrowed(SET, "dropped") == (C,)
    assert narrowed(SET, "by-you") == (B,)
    assert narrowed(SET, "blur") == (A, B)
    assert narrowed(SET, "<script>") == SET.pictures


def test_the_gravest_finding_is_the_badge_and_a_word_is_none() -> None:
    assert worst(A) == BLUR
    assert worst(B) == COPY
    assert worst(D) is None
    assert [kept_by_checks(p) for p in (A, B, C, D)] == [True, False, False, True]


def test_copies_are_paired_with_what_they_repeat() -> None:
    gone = Picture(
        "e.png", "5", 64, 64, "", "none", (Finding("x", "info", 1, 0, "", {"twin": "?"}),)
    )
    found = copies(Judgement(CuratedSet(Path("x"), (*SET.pictures, gone))))
    assert [(pair.original.name, pair.copy.name) for pair in found] == [
        ("a.png", "c.png"),
        ("b.png", "a.png"),  # found both ways round, shown once
    ]


class Words:
    """Reads three words."""

    def read(self, caption: str) -> Reading:
        words = caption.split()
        return Reading(len(words), 3, " ".join(words[3:]))

    def pieces(self, word: str) -> list[Piece]:
        return [Piece(word, 0.5)]


def test_a_caption_is_counted_and_checked_for_its_trigger() -> None:
    facts = caption_facts("  a cat \n on a mat ", "zorpy", Words())
    assert (facts.tokens, facts.limit, facts.lost) == (5, 3, "a mat")
    assert facts.shown == "zorpy, a cat on a mat"
    assert not facts.holds_trigger
    assert caption_facts("Zorpy sits", "zorpy", None).holds_trigger
    assert caption_facts("zorpi sits", "zorpy", None).slips == ("zorpi",)
    assert caption_facts("a cat", "", None).tokens is None
