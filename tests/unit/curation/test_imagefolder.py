"""Copies of a set for others to read: an image folder of what was kept, a review of what was not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from studio.curation.imagefolder import write_imagefolder
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.pipeline import curate
from studio.curation.review import copy_dropped
from studio.curation.split import split
from studio.errors import DatasetError

NAMES = ("ant", "bee", "cow", "dog", "eel", "fox")


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


@pytest.fixture
def judged(folder: Path) -> Callable[..., CuratedSet]:
    """The folder as if curation had seen it: all kept, but for those given with a check's name."""

    def call(**dropped: str) -> CuratedSet:
        pictures = []
        for path in sorted(folder.rglob("*.png")):
            name = path.relative_to(folder).as_posix()
            check = dropped.get(path.stem)
            findings = (Finding(check, "block", 1, 0, f"is {check}"),) if check else ()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            caption = f'a "{path.stem}", \u2028 grün'
            pictures.append(Picture(name, digest, 96, 96, caption, "txt", findings, kept=not check))
        return CuratedSet(folder, tuple(pictures))

    return call


def loaded(folder: Path, tmp_path: Path) -> Any:
    return datasets.load_dataset(
        "imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "hf")
    )


def inodes(folder: Path) -> dict[str, tuple[int, int, int]]:
    stats = {str(p): p.stat() for p in folder.rglob("*")}
    return {name: (s.st_ino, s.st_nlink, s.st_mtime_ns) for name, s in stats.items()}


def test_datasets_reads_equal_pixels_and_texts(folder, judged, tmp_path):
    curated = judged(cow="blur")
    before = inodes(folder)
    write_imagefolder(curated, tmp_path / "out")
    found = loaded(tmp_path / "out", tmp_path)
    assert list(found) == ["train"]
    texts = {row["text"]: np.asarray(row["image"]) for row in found["train"]}
    assert texts.keys() == {p.caption for p in curated.kept}
    for picture in curated.kept:
        with Image.open(curated.path_of(picture)) as image:
            assert np.array_equal(texts[picture.caption], np.asarray(image))
    assert inodes(folder) == before
    for copy in (tmp_path / "out" / "train").glob("*.png"):
        assert copy.read_bytes() == (folder / copy.name).read_bytes()
        assert copy.stat().st_nlink == 1


def test_splits_are_those_of_a_run(judged, tmp_path):
    curated = judged()
    write_imagefolder(curated, tmp_path / "out", validation_share=0.3, seed=5)
    found = loaded(tmp_path / "out", tmp_path)
    training, held_out = split(curated, 0.3, 5)
    assert set(found["train"]["text"]) == {p.caption for p in training.kept}
    assert set(found["validation"]["text"]) == {p.caption for p in held_out.kept}
    assert len(held_out.kept) == 2


def test_names_that_would_lead_datasets_astray(folder, judged, tmp_path):
    """Words such as "test" name splits, ``::`` is a way into an archive, sub-folders are labels."""
    for old, new in zip(
        NAMES,
        ["test/ant", "test-ant", "validation", "a::b", "back\\slash", "Back-Slash"],
        strict=True,
    ):
        (folder / new).parent.mkdir(exist_ok=True)
        (folder / f"{old}.png").rename(folder / f"{new}.png")
    curated = judged()
    write_imagefolder(curated, tmp_path / "out")
    found = loaded(tmp_path / "out", tmp_path)
    assert list(found) == ["train"]
    assert sorted(found["train"]["text"]) == sorted(p.caption for p in curated.pictures)
    names = sorted(path.name.casefold() for path in (tmp_path / "out" / "train").glob("*.png"))
    assert len(set(names)) == 6, "on any disk"


def test_the_studio_reads_it_back_as_the_same_set(folder, tmp_path):
    for number, name in enumerate(NAMES):
        (folder / f"{name}.txt").write_text(f"a {name}" if number else "")
    curated = curate(folder, 64, processes=0)
    write_imagefolder(curated, tmp_path / "out")
    assert curate(tmp_path / "out", 64, processes=0).digest == curated.digest


def refused(write: Callable[[], object], *words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        write()
    assert str(caught.value).isprintable()
    assert not [word for word in words if word not in str(caught.value)], caught.value


@pytest.mark.parametrize("write", [write_imagefolder, copy_dropped])
def test_where_nothing_is_written(folder, judged, tmp_path, write):
    curated = judged(cow="blur")
    before = inodes(folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(folder)
    refused(lambda: write(curated, tmp_path / "full"), "full", "not empty")
    refused(lambda: write(curated, tmp_path / "full" / "mine.txt"), "mine.txt", "not empty")
    refused(lambda: write(curated, folder / "out"), "among the pictures")
    refused(lambda: write(curated, tmp_path / "link" / "out"), "among the pictures")
    assert inodes(folder) == before
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_an_empty_folder_may_be_there(judged, tmp_path):
    (tmp_path / "out").mkdir()
    write_imagefolder(judged(), tmp_path / "out")
    assert len(list((tmp_path / "out" / "train").glob("*.png"))) == 6


def test_a_picture_that_changed_since_leaves_nothing(folder, judged, tmp_path):
    curated = judged()
    (folder / "fox.png").write_bytes((folder / "ant.png").read_bytes())
    refused(lambda: write_imagefolder(curated, tmp_path / "out"), "fox.png has changed")
    (folder / "fox.png").unlink()
    refused(lambda: write_imagefolder(curated, tmp_path / "out"), "fox.png cannot be read")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


def test_nothing_kept_is_nothing_to_write(judged, tmp_path):
    curated = judged(**dict.fromkeys(NAMES, "blur"))
    refused(lambda: write_imagefolder(curated, tmp_path / "out"), "nothing to write")


def test_dropped_pictures_go_by_their_reason(folder, judged, tmp_path):
    (folder / "sub").mkdir()
    (folder / "cow.png").rename(folder / "sub" / "cow.png")
    curated = judged(ant="blur", bee="too_small", cow="blur")
    before = inodes(folder)
    assert copy_dropped(curated, tmp_path / "review") == 3
    files = {
        p.relative_to(tmp_path / "review").as_posix() for p in (tmp_path / "review").rglob("*.*")
    }
    assert files == {"blur/ant.png", "blur/sub/cow.png", "too_small/bee.png", "review.txt"}
    said = (tmp_path / "review" / "review.txt").read_text().splitlines()
    assert said[0].startswith("3 of 6 pictures")
    assert said[2:] == ["ant.png: is blur", "bee.png: is too_small", "sub/cow.png: is blur"]
    assert inodes(folder) == before
    assert (tmp_path / "review/blur/ant.png").read_bytes() == (folder / "ant.png").read_bytes()


def test_a_dropped_file_that_cannot_be_copied_is_told(folder, judged, tmp_path):
    curated = judged(ant="unreadable", bee="blur")
    broken = replace(curated.pictures[0], name="gone\x1b.png", digest="")
    copy_dropped(replace(curated, pictures=(broken, *curated.pictures[1:])), tmp_path / "review")
    said = (tmp_path / "review" / "review.txt").read_text()
    assert "gone\\x1b.png: is unreadable (not copied: " in said
    assert (tmp_path / "review" / "blur" / "bee.png").is_file()


def test_nothing_dropped_writes_nothing(judged, tmp_path):
    assert copy_dropped(judged(), tmp_path / "review") == 0
    assert not (tmp_path / "review").exists()


def test_an_interrupted_copy_leaves_nothing(judged, tmp_path, monkeypatch):
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_imagefolder(judged(), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


def test_the_captions_are_plain(judged, tmp_path):
    write_imagefolder(judged(), tmp_path / "out")
    text = (tmp_path / "out" / "train" / "metadata.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line]
    assert rows[0] == {"file_name": "ant.png", "text": 'a "ant", \u2028 grün'}
