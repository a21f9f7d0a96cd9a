from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import RootsError
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "pictures").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "home"


def test_what_lies_below_may_be_read(home: Path) -> None:
    roots = Roots.of([home])
    assert roots.allowed(home / "pictures") == home / "pictures"
    assert roots.allowed(home) == home
    assert roots.allowed(f"{home}/pictures/../pictures/not-there.png").name == "not-there.png"


OUTSIDE = [
    "{}/../elsewhere",
    "{}/pictures/../../elsewhere/x",
    "{}-2/pictures",
    "/etc/passwd",
    "/",
    "~root",
    "pictures",
    "",
    "a\0b",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_else_may(home: Path, path: str) -> None:
    with pytest.raises(RootsError):
        Roots.of([home]).allowed(path.format(home))


def test_links_are_followed_before_the_answer(home: Path) -> None:
    (home / "out").symlink_to(home.parent / "elsewhere")
    (home / "loop").symlink_to(home / "loop")
    (home / "in").symlink_to(home / "pictures")
    roots = Roots.of([home])
    assert roots.allowed(home / "in") == home / "pictures"
    for name in ("out", "loop"):
        with pytest.raises(RootsError):
            roots.allowed(home / name / "x")


def test_the_answer_does_not_tell_what_is_outside(home: Path) -> None:
    roots = Roots.of([home])
    messages = []
    for name in ("elsewhere", "not-there"):
        with pytest.raises(RootsError) as error:
            roots.allowed(home.parent / name)
        messages.append(str(error.value).replace(name, ""))
    assert messages[0] == messages[1]


def test_a_root_that_is_no_folder_is_told(home: Path) -> None:
    with pytest.raises(RootsError, match=r"--root .*nowhere is no folder"):
        Roots.of([home / "nowhere"])


def test_what_is_made_at_a_workplace_may_be_read_again(home: Path) -> None:
    workplace = Workplace.at(home.parent / "elsewhere" / "runs", Roots.of([home]))
    assert workplace.roots.allowed(workplace.sets / "a") == workplace.sets / "a"
    with pytest.raises(RootsError):
        workplace.roots.allowed(home.parent / "elsewhere")
