"""What is said of the set: size, buckets, balance, provenance."""

from __future__ import annotations

import pytest

from studio.curation.checks.balance import Balance
from studio.curation.checks.buckets import Buckets
from studio.curation.checks.provenance import Provenance
from studio.curation.checks.set_size import SetSize
from studio.curation.file_facts import FileFacts
from studio.curation.view import View


def view(
    name: str, caption: str = "", size=(512, 512), camera: str = "", software: str = ""
) -> View:
    facts = FileFacts(camera=camera, software=software)
    return View(name, name, *size, caption, "txt", facts=facts)


@pytest.mark.parametrize(
    ("count", "severity", "words"),
    [
        (2, "block", "at least 3"),
        (6, "warn", "no style"),
        (30, "warn", "72 times"),
        (100, "info", "each 60 instead of 120 times"),
        (200, None, ""),
    ],
)
def test_set_size(count, severity, words):
    found = SetSize(3, 50, 200).examine([view(str(i)) for i in range(count)]).of_set
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(words in f.message for f in found)


def test_buckets_tell_what_is_cut_off_enlarged_and_alone():
    check = Buckets(512, 2)
    sizes = {"a": (512, 512), "b": (512, 512), "wide": (3000, 600), "small": (300, 300)}
    result = check.examine([view(name, size=size) for name, size in sizes.items()])
    (found,) = result.of_set
    assert (found.severity, found.score) == ("info", 0.25)
    assert "wide, 63%" in found.message
    assert "small, 1.7 times" in found.message
    assert "fewer than 4 pictures" in found.message
    assert result.scores["a"] == 0
    assert result.scores["wide"] == pytest.approx(0.633, abs=0.001)


def test_buckets_that_fit_are_not_mentioned():
    assert Buckets(128, 2).examine([view(str(i), size=(128, 128)) for i in range(5)]).of_set == ()
    assert Buckets(128, 2).examine([]).of_set == ()


ANIMALS = ["a dog", "an owl", "a fox", "a bee", "two cats", "a cow", "an ant", "an eel"]


def test_a_subject_in_most_captions_is_remarked_on():
    captions = [*ANIMALS[1:], *(f"a dog, number {'x' * i}" for i in range(1, 11))]
    views = [view(f"{i:02}", caption) for i, caption in enumerate(captions)]
    (found,) = Balance("").examine(views).of_set
    assert (found.severity, found.evidence["subject"]) == ("info", "dog")
    assert found.score == pytest.approx(10 / 17, abs=1e-3)


def test_a_folder_with_most_pictures_is_remarked_on():
    views = [view(f"{'red' if i < 9 else 'blue'}/{i}", f"thing {i}") for i in range(14)]
    (found,) = Balance("").examine(views).of_set
    assert found.evidence["subject"] == "red"


@pytest.mark.parametrize(
    "captions",
    [
        ANIMALS * 2,
        [f"{a} on a plain background" for a in ANIMALS * 2],
        [f"rufus and {a} {i}" for i, a in enumerate(ANIMALS * 2)],
        ["a dog"] * 16,
        ["a dog"] * 3,
    ],
    ids=["varied", "background", "what is learned", "one caption", "few"],
)
def test_balanced_sets_pass(captions):
    views = [view(f"{i:02}", caption) for i, caption in enumerate(captions)]
    assert Balance("rufus").examine(views).of_set == ()


def test_provenance_names_cameras_scanners_and_film_software():
    views = [view(f"{i}", camera="Canon EOS 5D") for i in range(3)]
    views += [view("s", camera="NORITSU KOKI QSS-32_33"), view("t")]
    views += [view("u", camera="FUJIFILM X-T5", software="Dehancer Film 5.2")]
    (found,) = Provenance().examine(views).of_set
    assert (found.severity, found.score) == ("info", round(5 / 6, 4))
    assert found.message.startswith("3 by Canon EOS 5D")
    assert "1 by NORITSU KOKI QSS-32_33 (a film scanner)" in found.message
    assert "with Dehancer Film 5.2 (film software)" in found.message
    assert "1 of unknown origin" in found.message


def test_files_without_notes_have_no_provenance():
    assert Provenance().examine([view("a"), view("b")]).of_set == ()
