"""Sets of pictures: added, decided on, captioned, removed; the pictures themselves never change."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PIL import Image

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError, RootsError
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "open" / "My Icons"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.new("RGB", (64, 64), "teal").save(folder / name)
    (folder / "a.txt").write_text("a thing")
    return folder


@pytest.fixture
def sets(tmp_path: Path, pictures: Path) -> PictureSets:
    return PictureSets(Workplace.at(tmp_path / "runs", Roots.of([pictures.parent])))


def judged(sets: PictureSets, name: str) -> CuratedSet:
    """A judgement by hand, as the errand leaves it."""
    place = sets.folder(name)
    picture_set = place.read()
    names = ("a.png", "b.png", "sub/c.png")
    found = tuple(Picture(n, f"{n}-digest", 64, 64, "a thing", "txt") for n in names)
    curated = CuratedSet(Path(picture_set.source), found)
    place.keep_judgement(curated, place.stamp(picture_set))
    return curated


def test_a_folder_is_taken_up_where_it_lies(sets: PictureSets, pictures: Path) -> None:
    added = sets.add(pictures, trigger=" zorp ")
    assert (added.name, added.source, added.trigger) == ("my-icons", str(pictures), "zorp")
    assert sets.names() == ["my-icons"]
    assert sets.get("my-icons") == added
    assert added.dataset() == {"source": str(pictures), "trigger": "zorp"}
    assert sets.manifest("my-icons") is None
    assert sets.is_stale("my-icons")


def test_a_second_set_of_one_name_gets_a_number(sets: PictureSets, pictures: Path) -> None:
    assert [sets.add(pictures).name, sets.add(pictures).name] == ["my-icons", "my-icons-2"]
    first = sets.of_source(pictures)
    assert first is not None
    assert first.name == "my-icons"


@pytest.mark.parametrize(
    "name", ["../../x", "con", "<img onerror=alert(1)>", "x" * 500, "a\0b", ""]
)
def test_no_name_leaves_the_folder_of_sets(
    sets: PictureSets, pictures: Path, tmp_path: Path, name: str
) -> None:
    added = sets.add(pictures, name=name)
    place = tmp_path / "runs" / ".studio" / "sets" / added.name
    assert place.is_dir()
    assert sets.names() == [added.name]
    with pytest.raises(DatasetError, match="there is no set"):
        sets.get(name)


def test_an_unknown_set_is_told_with_the_nearest(sets: PictureSets, pictures: Path) -> None:
    sets.add(pictures)
    with pytest.raises(DatasetError, match='did you mean "my-icons"'):
        sets.get("my-icon")


@pytest.mark.parametrize("way", ["outside", "dots", "link", "null"])
def test_nothing_outside_the_roots_is_taken_up(
    sets: PictureSets, pictures: Path, tmp_path: Path, way: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.new("RGB", (64, 64)).save(outside / "a.png")
    link = pictures / "link"
    link.symlink_to(outside)
    ways = {"outside": outside, "dots": pictures / "../../outside", "link": link, "null": "a\0b"}
    with pytest.raises(RootsError):
        sets.add(ways[way])
    assert sets.names() == []


def test_a_folder_without_pictures_is_refused_at_once(sets: PictureSets, pictures: Path) -> None:
    (pictures.parent / "empty").mkdir()
    with pytest.raises(DatasetError, match="no pictures in"):
        sets.add(pictures.parent / "empty")
    with pytest.raises(DatasetError, match="no folder"):
        sets.add(pictures.parent / "none")
    assert sets.names() == []


def test_a_decision_is_kept_and_taken_back(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    sets.decide(name, "a.png", False)
    sets.decide(name, "b.png", True)
    assert sets.get(name).dataset()["curation"] == {"keep": ["b.png"], "drop": ["a.png"]}
    sets.decide(name, "a.png", True)
    sets.decide(name, "b.png", None)
    decided = sets.get(name)
    assert (decided.keep, decided.drop) == (("a.png",), ())
    assert DatasetSettings.model_validate(decided.dataset()).curation.keep == ("a.png",)


def test_what_is_decided_in_two_tabs_at_once_is_all_kept(
    sets: PictureSets, pictures: Path, tmp_path: Path
) -> None:
    name = sets.add(pictures).name

    def decide(tab: int) -> None:
        own = PictureSets(Workplace.at(tmp_path / "runs", Roots.of([pictures.parent])))
        for number in range(10):
            own.decide(name, f"{tab}-{number}.png", False)

    tabs = [threading.Thread(target=decide, args=(tab,)) for tab in range(3)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(sets.get(name).drop) == 30


def test_a_judgement_is_stale_after_a_decision_and_what_is_taken_back_is_not(
    sets: PictureSets, pictures: Path
) -> None:
    name = sets.add(pictures).name
    curated = judged(sets, name)
    assert sets.manifest(name) == curated
    assert not sets.is_stale(name)
    sets.decide(name, "a.png", False)
    assert sets.is_stale(name)
    sets.decide(name, "a.png", None)
    assert not sets.is_stale(name)
    Image.new("RGB", (64, 64)).save(pictures / "new.png")
    assert sets.is_stale(name)


def test_what_is_no_picture_of_the_set_is_not_decided_on(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    judged(sets, name)
    with pytest.raises(DatasetError, match="no picture of my-icons"):
        sets.decide(name, "../a.png", False)
    assert sets.get(name).drop == ()


def test_a_caption_is_written_beside_and_taken_back(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    judged(sets, name)
    sets.set_caption(name, "sub/c.png", "a third thing")
    captions = sets.folder(name).captions
    assert (captions / "sub" / "c.txt").read_text() == "a third thing"
    assert sets.caption(name, "sub/c.png") == "a third thing"
    assert sets.get(name).dataset()["caption_folder"] == str(captions)
    assert sets.is_stale(name)
    assert not (pictures / "sub" / "c.txt").exists()
    sets.set_caption(name, "sub/c.png", None)
    assert sets.caption(name, "sub/c.png") is None
    assert "caption_folder" not in sets.get(name).dataset()
    assert sets.found_caption(name, "a.png") == "a thing"
    assert (pictures / "a.txt").read_text() == "a thing"


@pytest.mark.parametrize("picture", ["../../../x.png", "/etc/x.png", "none.png"])
def test_no_caption_is_written_for_what_is_no_picture_of_the_set(
    sets: PictureSets, pictures: Path, tmp_path: Path, picture: str
) -> None:
    name = sets.add(pictures).name
    judged(sets, name)
    with pytest.raises(DatasetError, match="no picture"):
        sets.set_caption(name, picture, "x")
    assert not sets.folder(name).captions.exists()
    with pytest.raises(DatasetError, match="longer than any base model"):
        sets.set_caption(name, "a.png", "x" * 5000)


def test_removing_forgets_the_set_and_nothing_else(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    judged(sets, name)
    sets.set_caption(name, "a.png", "mine")
    folder = sets.folder(name).path
    sets.remove(name)
    assert sets.names() == []
    assert sorted(p.name for p in pictures.iterdir()) == ["a.png", "a.txt", "b.png", "sub"]
    assert (folder / "captions" / "a.txt").read_text() == "mine"
    assert sets.add(pictures).name == "my-icons-2"  # recipes still name the first one's captions


def test_a_damaged_list_is_told_in_one_line(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    sets.folder(name).set_path.write_text('{"version": 1, "name": "x"}')
    with pytest.raises(DatasetError, match="cannot be read"):
        sets.get(name)
    sets.folder(name).set_path.write_text("{")
    with pytest.raises(DatasetError, match="no set can be read"):
        sets.get(name)


def test_a_damaged_manifest_counts_as_none(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    judged(sets, name)
    sets.folder(name).manifest_path.write_text("{")
    assert sets.manifest(name) is None


def test_decisions_show_before_the_set_is_judged_again(sets: PictureSets, pictures: Path) -> None:
    name = sets.add(pictures).name
    place = sets.folder(name)
    block = Finding("too_small", "block", 1, 2, "is too small")
    broken = Finding("unreadable", "block", 1, 0, "cannot be read")
    found = (
        Picture("a.png", "a", 64, 64, "", "none"),
        Picture("b.png", "b", 64, 64, "", "none", (block,), kept=False),
        Picture("c.png", "", 0, 0, "", "none", (broken,), kept=False),
    )
    place.keep_judgement(CuratedSet(pictures, found), "any")
    words = {"a.png": False, "b.png": True, "c.png": True}
    after = sets.decide_all(name, words)
    judgement = place.judgement()
    assert judgement is not None
    shown = judgement.with_words(after)
    assert [p.kept for p in shown.curated.pictures] == [False, True, False]
    assert shown.by_name["b.png"].findings[-1].message == "kept by hand, against: too small"
    back = shown.with_words(sets.decide_all(name, dict.fromkeys(words)))
    assert back.curated == judgement.curated
