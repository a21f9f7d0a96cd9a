from __future__ import annotations

import pytest

from studio.errors import UserError
from studio.preview.prompt import (
    HYPERNET,
    LORA,
    Stretch,
    Tag,
    first_tag,
    has_syntax,
    stretches_of,
    without_tags,
)


def read(text: str) -> list[tuple[str, float]]:
    return [(stretch.text, pytest.approx(stretch.weight)) for stretch in stretches_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples in the docstring of A1111's own parser.
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
        # Ours.
        ("", [("", 1.0)]),
        ("[[x]]", [("x", 1 / 1.21)]),
        ("[half", [("half", 1 / 1.1)]),
        ("(x: 1.2 )", [("x", 1.2)]),
        ("(x:-.5)", [("x", -0.5)]),
        ("never opened) and]", [("never opened) and]", 1.0)]),
        ("number:1.2)", [("number:1.2)", 1.0)]),
        ("(version 1:2:3)", [("version 1:2", 3.0)]),
        ("(a:b)", [("a:b", 1.1)]),
        (r"smile_\(face\)", [("smile_(face)", 1.0)]),
        (r"back\\slash and lone\ one", [("back\\slash and lone one", 1.0)]),
        ("((a) b", [("a", 1.21), (" b", 1.1)]),
        ("<a> hat", [("<a> hat", 1.0)]),
    ],
)
def test_emphasis(text: str, expected: list[tuple[str, float]]) -> None:
    assert read(text) == expected


def test_a_break_opens_a_chunk_with_the_text_behind_it() -> None:
    assert stretches_of("red BREAK blue") == (Stretch("red"), Stretch("blue", opens_chunk=True))
    weighed = stretches_of("(red BREAK blue:1.2)")
    assert weighed == (Stretch("red", 1.2), Stretch("blue", 1.2, opens_chunk=True))
    assert stretches_of("a BREAK (b:2)")[1] == Stretch("b", 2.0, opens_chunk=True)


def test_breaks_in_a_row_and_at_the_ends_stay() -> None:
    opened = [stretch.opens_chunk for stretch in stretches_of("BREAK BREAK a BREAK")]
    assert opened == [True, True, True]


def test_a_break_is_a_word_in_capitals() -> None:
    assert stretches_of("BREAKFAST, break") == (Stretch("BREAKFAST, break"),)


@pytest.mark.parametrize("text", ["a cat", "a: b, c", "<a> <b> hat", "", "café ♥"])
def test_text_without_a_sign_is_known_as_such(text: str) -> None:
    assert not has_syntax(text)
    assert stretches_of(text) == (Stretch(text),)


@pytest.mark.parametrize("text", ["(a)", "a)", "[a", r"a\(", "a BREAK b"])
def test_signs_are_seen(text: str) -> None:
    assert has_syntax(text)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<lora:icons:0.8>", Tag(LORA, "icons", 0.8, 0.8)),
        ("<lora:icons>", Tag(LORA, "icons", 1.0, 1.0)),
        ("<lyco:icons:-1>", Tag(LORA, "icons", -1.0, -1.0)),
        ("<hypernet:mood:.5>", Tag(HYPERNET, "mood", 0.5, 0.5)),
        ("<lora:icons:0.8:0.5>", Tag(LORA, "icons", 0.8, 0.5)),
        ("<lora:icons:te=0:unet=0.7>", Tag(LORA, "icons", 0.0, 0.7)),
        ("<lora:icons:0.8:unet=0.5>", Tag(LORA, "icons", 0.8, 0.5)),
        ("<lora:icons:te=0.8>", Tag(LORA, "icons", 0.8, 0.8)),
        ("<lora:icons:0.8:te=0.5>", Tag(LORA, "icons", 0.5, 0.5)),
        ("<lora:a b.v1:1:unet.up=0.5>", Tag(LORA, "a b.v1", 1.0, 1.0, (("unet.up", 0.5),))),
    ],
)
def test_tags(tag: str, expected: Tag) -> None:
    assert without_tags(f"a heart {tag}, red") == ("a heart , red", (expected,))


def test_several_tags_keep_their_order_and_other_brackets_stay() -> None:
    text, tags = without_tags("<lora:a:1> <x> cat <hypernet:b:0.5>")
    assert text == "<x> cat"
    assert [tag.name for tag in tags] == ["a", "b"]
    assert first_tag("cat <lora:a:1>") == "<lora:a:1>"
    assert first_tag("<x> cat") == ""


def test_text_without_tags_is_not_touched() -> None:
    assert without_tags("  two  spaces ") == ("  two  spaces ", ())


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("<lora:icons:strong>", "<lora:icons:strong> has 'strong' where a number belongs"),
        ("<lora:icons:lbw=IN>", "has 'IN' where a number belongs"),
        ("<lora:icons:1:1:32>", "cannot be read; write <lora:NAME:0.8>, or <lora:NAME:TEXT"),
        ("<hypernet:mood:1:1>", "cannot be read; write <hypernet:NAME:0.8>"),
    ],
)
def test_tags_that_cannot_be_read(tag: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        without_tags(tag)
