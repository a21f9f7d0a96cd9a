from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import RecipeError, UserError
from studio.forms.sheet import read
from studio.workplace.drafts import MAX_BYTES, Drafts
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

TEXT = "name: x\ndataset: {source: /p}\ntrainer: {kind: lora}\n"
BAD_NAMES = ("", "..", "../x", "a/b", "/etc/passwd", ".hidden", "con", "a\0b", "x" * 90, "a\n")


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(Workplace.at(tmp_path / "runs", Roots.of([tmp_path])))


def test_none_at_first(drafts: Drafts) -> None:
    assert drafts.names() == []


def test_what_is_saved_is_read_back_even_when_it_is_no_recipe(drafts: Drafts) -> None:
    drafts.save("mine", TEXT)
    drafts.save("mine", "not a recipe: [ü")
    assert drafts.read("mine") == "not a recipe: [ü"
    assert drafts.names() == ["mine"]
    assert [p.name for p in drafts.workplace.recipes.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_is_never_a_path(drafts: Drafts, name: str) -> None:
    for refused in (drafts.read, drafts.remove, lambda n: drafts.save(n, TEXT)):
        with pytest.raises(UserError, match="cannot name a recipe"):
            refused(name)
    assert not drafts.workplace.folder.exists()


def test_a_recipe_that_is_not_there_names_the_nearest(drafts: Drafts) -> None:
    drafts.save("flat-icons", TEXT)
    with pytest.raises(UserError, match='did you mean "flat-icons"'):
        drafts.read("flat-icon")
    drafts.remove("flat-icons")
    with pytest.raises(UserError, match="there is no recipe"):
        drafts.remove("flat-icons")


def test_a_file_that_comes_in_is_called_by_its_own_name_where_that_is_free(drafts: Drafts) -> None:
    assert drafts.receive("good", TEXT.encode()) == "x"
    assert drafts.read("x") == TEXT
    assert drafts.receive("good", b"\xef\xbb\xbf" + TEXT.encode()) == "x-2"
    assert read(drafts.read("x-2")).content == read(TEXT).content | {"name": "x-2"}


@pytest.mark.parametrize("said", ["", "name: Mein Bär\n", "name: ../x\n", "name: [a]\n"])
def test_a_file_that_says_no_name_that_a_run_may_have_is_called_as_it_is(
    drafts: Drafts, said: str
) -> None:
    text = f"{said}trainer: {{kind: lora}}\n"
    assert drafts.receive("../../My recipe", text.encode()) == "my-recipe"
    content = {"name": "my-recipe", "trainer": {"kind": "lora"}}
    assert read(drafts.read("my-recipe")).content == content


def test_a_name_that_a_run_has_is_not_free(drafts: Drafts) -> None:
    (drafts.workplace.runs / "mine").mkdir(parents=True)
    drafts.save("mine-2", TEXT)
    assert drafts.free_name("mine") == "mine-3"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{below}: &{below} [{','.join(['*' + above] * 10)}]\n"
    for above, below in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * (MAX_BYTES + 1), "too long"),
        (b"\xff\xfe", "not UTF-8"),
        (b"- a\n- b\n", "no recipe"),
        (b"a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (BOMB.encode(), "aliases stand for more"),
        (b"a: &a [*a]", "aliases stand for more"),
        (b"[" * 5000, "without end"),
    ],
)
def test_what_is_hostile_is_refused_and_leaves_nothing(
    drafts: Drafts, content: bytes, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        drafts.receive("x", content)
    assert drafts.names() == []


def test_what_is_too_long_is_not_saved(drafts: Drafts) -> None:
    with pytest.raises(UserError, match="too long"):
        drafts.save("x", "x" * (MAX_BYTES + 1))
    with pytest.raises(RecipeError):
        drafts.receive("x", b"")
