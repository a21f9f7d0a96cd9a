"""What captions say and how: missing, placeholders, spoiled letters, markup."""

from __future__ import annotations

import pytest

from studio.curation.caption_text import tidy
from studio.curation.checks.caption_encoding import CaptionEncoding
from studio.curation.checks.caption_markup import CaptionMarkup
from studio.curation.checks.caption_missing import CaptionMissing
from studio.curation.checks.caption_placeholder import CaptionPlaceholder
from studio.curation.view import View


def view(raw: str, source: str = "txt") -> View:
    return View("fox.png", "d", 64, 64, tidy(raw), source, raw_caption=raw)


def test_missing_and_empty_are_told_apart():
    check = CaptionMissing()
    assert "no caption" in check.examine(view("", "none")).message
    assert "empty caption" in check.examine(view("\n", "txt")).message
    assert check.examine(view("a fox")) is None


@pytest.mark.parametrize(
    "caption", ["image", "Untitled", "a photo of the", "IMG_0042.jpg", "picture 12", "no caption."]
)
def test_a_placeholder_says_nothing(caption):
    found = CaptionPlaceholder().examine(view(caption))
    assert found.severity == "warn"
    assert caption in found.message


@pytest.mark.parametrize("caption", ["", "photo of a fox", "日本の猫", "42", "r2d2", "the end"])
def test_what_says_something_or_nothing_at_all_is_no_placeholder(caption):
    assert CaptionPlaceholder().examine(view(caption)) is None


@pytest.mark.parametrize(
    ("caption", "severity", "words"),
    [
        ("ein grÃ¼ner BÃ¤r", "warn", ['"grÃ¼ner"', '"grüner"']),
        ("the foxâ€™s tail", "warn", ['"foxâ€™s"', '"fox’s"']),
        ("caf\ufffd at night", "warn", ["1 character", "lost"]),
        ("a f\u043ex", "warn", ["Latin and Cyrillic"]),
        ("a\u200b fox\x00", "info", ["zero width space", "u+0000"]),
    ],
)
def test_spoiled_letters(caption, severity, words):
    found = CaptionEncoding().examine(view(caption))
    assert found.severity == severity
    assert all(word in found.message for word in words)


def test_mojibake_is_found_where_it_holds_characters_that_tidying_drops():
    """Read as Latin-1, the second byte of "é" may be a control character or a hard blank."""
    for word in ("À la carte", "É bien", "it’s"):
        spoiled = word.encode().decode("latin-1")
        assert CaptionEncoding().examine(view(spoiled)).severity == "warn"


@pytest.mark.parametrize(
    "caption",
    [
        "grüner Bär, Ångström",
        "Москва and a fox",
        "日本の猫",
        "α and β",
        "family 👨‍👩‍👧 emoji",
        "a fox,\r\n\tred\n",
        "20 µm",
    ],
)
def test_sound_letters(caption):
    assert CaptionEncoding().examine(view(caption)) is None


@pytest.mark.parametrize(
    ("caption", "piece"),
    [
        ("a <b>red</b> fox", "<b>"),
        ("cats &amp; dogs", "&amp;"),
        ("a fox <lora:film_v2:0.8>", "<lora:film_v2:0.8>"),
        ("a fox BREAK a hill", "BREAK"),
        ("a (red:1.2) fox", "(red:1.2)"),
        (r"saber \(fate\)", r"\("),
        ("a fox, https://example.org/fox.png", "https://example.org/fox.png"),
    ],
)
def test_markup(caption, piece):
    found = CaptionMarkup().examine(view(caption))
    assert found.severity == "warn"
    assert piece in found.message
    assert piece in found.evidence["markup"]


@pytest.mark.parametrize(
    "caption",
    [
        "saber (fate), 1girl",
        "<zorp> on a hill",
        "a tea break",
        "16:9 (wide) photo",
        "salt & pepper; AT&T",
        "a < b > c",
        "{red|blue} fox",
        ":) ;)",
    ],
)
def test_what_only_looks_like_markup(caption):
    assert CaptionMarkup().examine(view(caption)) is None
