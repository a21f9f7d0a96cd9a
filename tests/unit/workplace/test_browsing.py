"""Looking for a folder never leads out of the roots, nor tells what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import RootsError
from studio.workplace import browsing
from studio.workplace.browsing import look_into
from studio.workplace.roots import Roots


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("b", "a/deep", ".hidden"):
        (root / folder).mkdir(parents=True)
    for name in ("a/1.png", "a/2.JPG", "a/notes.md", "3.webp"):
        (root / name).touch()
    return root


def test_folders_are_listed_with_their_pictures(root: Path) -> None:
    listing = look_into(root, Roots.of([root]))
    assert [(inside.path.name, inside.pictures) for inside in listing.folders] == [
        ("a", 2),
        ("b", 0),
    ]
    assert (listing.pictures, listing.parent, listing.more_folders) == (1, None, 0)
    assert look_into(root / "a", Roots.of([root])).parent == root


def test_links_out_of_the_roots_are_not_shown_and_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    names = [inside.path.name for inside in look_into(root, Roots.of([root])).folders]
    assert names == ["a", "b"]
    for way in (root / "link", root / "..", "/", "a\0b", tmp_path / "none"):
        with pytest.raises(RootsError):
            look_into(way, Roots.of([root]))


def test_a_crowd_of_folders_is_cut(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "MOST_FOLDERS", 1)
    listing = look_into(root, Roots.of([root]))
    assert len(listing.folders) == 1
    assert listing.more_folders == 1


def test_what_is_no_folder_is_told(root: Path) -> None:
    with pytest.raises(RootsError, match="is no folder"):
        look_into(root / "3.webp", Roots.of([root]))
