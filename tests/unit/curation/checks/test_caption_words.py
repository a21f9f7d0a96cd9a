"""Captions against each other and the base model: length, trigger, what they all name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from studio.curation.checks.caption_duplicate import CaptionDuplicate
from studio.curation.checks.caption_names_learned import CaptionNamesLearned
from studio.curation.checks.caption_too_long import CaptionTooLong
from studio.curation.checks.caption_trigger import CaptionTrigger
from studio.curation.file_names import caption_from_name
from studio.curation.reading import Piece, Reading
from studio.curation.view import View


@dataclass(frozen=True)
class Words:
    """A reader to whom each word is one token; it knows some, and spells others by letter."""

    limit: int = 5
    known: tuple[str, ...] = ("mascot", "house", "box")

    def read(self, caption: str) -> Reading:
        words = caption.split()
        return Reading(len(words), self.limit, " ".join(words[self.limit :]))

    def pieces(self, word: str) -> list[Piece]:
        if word in self.known:
            return [Piece(word, 0.1)]
        return [Piece(letter, 0.01) for letter in word]


def views(*captions: str) -> list[View]:
    return [View(f"{i}.png", "d", 64, 64, text, "txt") for i, text in enumerate(captions)]


def of_set(check, *captions):
    return check.examine(views(*captions)).of_set


def test_too_long_names_the_words_that_fall_off():
    found = CaptionTooLong(Words()).examine(views("a red fox on a snowy hill", "a fox", ""))
    assert set(found.of_pictures) == {"0.png"}
    finding = found.of_pictures["0.png"]
    assert (finding.severity, finding.score, finding.threshold) == ("warn", 7, 5)
    assert '"snowy hill"' in finding.message
    assert finding.evidence["lost"] == "snowy hill"
    assert found.scores == {"0.png": 7, "1.png": 2}
    assert found.of_set == ()


def test_a_full_stop_that_falls_off_is_no_loss():
    assert not CaptionTooLong(Words(3)).examine(views("a red fox .")).of_pictures


def test_without_a_tokenizer_it_says_that_nobody_counted():
    (finding,) = of_set(CaptionTooLong(None), "a fox")
    assert finding.severity == "info"
    assert "not counted" in finding.message
    assert of_set(CaptionTooLong(None), "", "") == ()


def files(*names: str, written: int = 0) -> list[View]:
    """Pictures captioned by their files' names, and some by hand."""
    named = [View(f"{n}.png", "d", 64, 64, caption_from_name(n), "file_name") for n in names]
    own = [View(f"own{i}.png", "d", 64, 64, f"a fox at {i}", "txt") for i in range(written)]
    return [*named, *own]


@pytest.mark.parametrize("name", ["drawing_{:02}", "drawing{}", "Drawing ({})"])
def test_one_name_of_most_files_is_no_caption(name):
    pictures = files(*(name.format(index) for index in range(24)), written=6)
    (found,) = CaptionDuplicate().examine(pictures).of_set
    assert (found.severity, found.evidence["caption"]) == ("warn", "drawing")
    assert "24 of 30" in found.message
    assert "--auto-captions" in found.message


def test_names_that_say_what_each_file_shows_are_captions():
    shown = ["alarm-clock", "airplane", "red-fox_1", "red-fox_2", "owl_3", "owl_4"]
    found = CaptionDuplicate().examine(files(*shown)).of_set
    assert [f.severity for f in found] == ["info"]
    assert CaptionDuplicate().examine(files("owl", "fox", "cat", "dog")).of_set == ()
    assert CaptionDuplicate().examine(files("owl", "owl_2")).of_set[0].severity == "info"


def test_one_caption_that_someone_wrote_for_all_is_a_remark():
    (found,) = of_set(CaptionDuplicate(), *["a mascot"] * 30)
    assert found.severity == "info"


def trigger(word: str = "zorp", max_tokens: int = 4) -> CaptionTrigger:
    return CaptionTrigger(word, max_tokens, Words())


def test_a_trigger_in_all_or_no_captions_is_nothing_to_speak_of():
    for captions in (("a fox", "a cat"), ("zorp, a fox", "a cat, zorp")):
        found = trigger().examine(views(*captions))
        assert (found.of_pictures, found.of_set) == ({}, ())
    assert of_set(CaptionTrigger("", 4, None), "a fox") == ()


def test_a_trigger_in_some_captions_says_what_will_be_trained():
    (finding,) = of_set(trigger(), "zorp, a fox", "a cat", "a dog")
    assert finding.severity == "info"
    assert "1 of 3" in finding.message
    assert '"zorp, a cat"' in finding.message


def test_other_capitals_are_named():
    (finding,) = of_set(trigger(), "Zorp runs", "zorp, ZORP")
    assert finding.evidence["spellings"] == ["ZORP", "Zorp"]


@pytest.mark.parametrize("slip", ["zrop", "zorb", "zorpp", "zop", "Zrop"])
def test_a_misspelled_trigger(slip):
    found = trigger().examine(views(f"{slip} runs", "zorp sits"))
    assert set(found.of_pictures) == {"0.png"}
    assert f'"{slip}"' in found.of_pictures["0.png"].message


def test_words_of_the_base_model_are_no_misspellings():
    check = CaptionTrigger("horse", 9, Words())
    assert check.examine(views("a house", "horse in a box")).of_pictures == {}


def test_a_trigger_within_a_longer_word():
    found = CaptionTrigger("sun", 4, Words()).examine(
        views("a sunflower", "sun and a sunflower", "sun")
    )
    assert set(found.of_pictures) == {"0.png"}
    assert '"sunflower"' in found.of_pictures["0.png"].message


def test_a_trigger_that_the_base_model_knows():
    (finding,) = of_set(trigger("mascot"), "mascot runs")
    assert (finding.severity, "knows" in finding.message) == ("info", True)
    assert of_set(CaptionTrigger("mascot", 4, None), "mascot runs") == ()


def test_a_trigger_of_many_tokens():
    (finding,) = of_set(trigger("xyzzyq"), "xyzzyq runs")
    assert (finding.score, finding.threshold) == (6, 4)
    assert "x y z z y q" in finding.message
    assert of_set(trigger("xyzzyq", 6), "xyzzyq runs") == ()


SUBJECTS = ("fox", "cat", "dog", "hen", "cow")


def named(*captions: str, trigger: str = "", share: float = 0.8):
    return of_set(CaptionNamesLearned(trigger, share), *captions)


def test_style_words_beside_a_trigger_are_warned_of():
    (finding,) = named(*(f"zorp, a watercolor painting of a {s}" for s in SUBJECTS), trigger="zorp")
    assert finding.severity == "warn"
    assert finding.evidence["phrases"] == ["watercolor painting"]
    assert '"zorp" alone' in finding.message


def test_a_subjects_class_is_a_remark():
    captions = [
        f"zorp mascot {verb}, {c} background" for verb, c in zip(SUBJECTS, "abcde", strict=True)
    ]
    (finding,) = named(*captions, trigger="zorp")
    assert finding.severity == "info"
    assert finding.evidence["phrases"] == ["mascot"]


def test_both_are_told_apart():
    captions = [f"film photo, a woman with a {s}" for s in SUBJECTS]
    style, other = named(*captions, trigger="zorp")
    assert (style.severity, style.evidence["phrases"]) == ("warn", ["film photo"])
    assert (other.severity, other.evidence["phrases"]) == ("info", ["woman"])


def test_without_a_trigger_the_phrase_is_what_will_call_it_up():
    (finding,) = named(*(f"flat icon, {s}" for s in SUBJECTS))
    assert finding.severity == "info"
    assert '"flat icon" in 5 of 5' in finding.message


def test_the_share_that_counts():
    captions = [*(f"{s} on ice" for s in SUBJECTS[:4]), "a bee"]
    assert [f.score for f in named(*captions)] == [0.8]
    assert named(*captions, share=0.9) == ()


def test_varied_few_or_equal_captions_are_nothing_to_speak_of():
    assert named(*(f"a {s} on the hill{i}" for i, s in enumerate(SUBJECTS))) == ()
    assert named(*["flat icon, a fox", "flat icon, a cat"]) == ()
    assert named(*["zorp mascot"] * 9, trigger="zorp") == ()
    assert named(*(f"{s}, white background" for s in SUBJECTS)) == ()
