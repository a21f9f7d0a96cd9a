from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from studio.captioning import auto_captions
from studio.captioning.auto_captions import write_auto_captions
from studio.captioning.captioner import Captioner
from studio.curation import curate
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError

NAMES = ("IMG_0001.png", "IMG_0002.png", "red fox.png")


class Sizes(Captioner):
    """Says how large each picture is; gives up at the picture ``stop``."""

    def __init__(self, folder: Path, stop: int = 99) -> None:
        weights = folder / "weights"
        weights.write_bytes(b"w")
        super().__init__(folder, [weights])
        self.stop = stop

    def captions(self, images: Sequence[Image.Image]) -> list[str]:
        if any(image.width == self.stop for image in images):
            raise KeyboardInterrupt
        return [f"{image.width} wide" for image in images]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, name in enumerate(NAMES):
        Image.effect_noise((70 + index, 70), 90).save(folder / name)
    return folder


@pytest.fixture
def captioner(tmp_path: Path) -> Sizes:
    folder = tmp_path / "sizes"
    folder.mkdir()
    return Sizes(folder)


def curated(source: Path, **settings: object):
    return curate(DatasetSettings(source=str(source), **settings), 64)


def test_only_pictures_without_a_text_and_marked_in_the_manifest(source, captioner):
    done = write_auto_captions(captioner, curated(source))
    assert done.folder == source.parent / "pictures-captions"
    assert done.texts == {"IMG_0001.png": "70 wide", "IMG_0002.png": "71 wide"}
    again = curated(source, caption_folder=str(done.folder))
    assert {p.name: (p.caption, p.caption_source) for p in again.pictures} == {
        "IMG_0001.png": ("70 wide", "auto"),
        "IMG_0002.png": ("71 wide", "auto"),
        "red fox.png": ("red fox", "file_name"),
    }
    (finding,) = [f for f in again.findings if f.check == "caption_auto"]
    assert finding.evidence["model_digests"] == [captioner.digest]
    assert not list(source.glob("*.txt"))


def test_all_pictures_when_asked(source, captioner, tmp_path):
    calls: list[tuple[int, int]] = []
    done = write_auto_captions(
        captioner,
        curated(source),
        tmp_path / "out",
        all_pictures=True,
        progress=lambda *call: calls.append(call),
    )
    assert sorted(done.texts) == sorted(NAMES)
    assert calls[-1] == (3, 3)


def test_a_file_that_is_there_stays_and_is_nobody_else_s(source, captioner, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "IMG_0001.txt").write_text("mine")
    done = write_auto_captions(captioner, curated(source), out)
    assert (out / "IMG_0001.txt").read_text() == "mine"
    assert done.there_already == ("IMG_0001.png",)
    assert curated(source, caption_folder=str(out)).pictures[0].caption_source == "txt"


def test_stopped_it_keeps_what_is_done_and_goes_on(source, captioner, tmp_path, monkeypatch):
    monkeypatch.setattr(auto_captions, "BATCH", 1)
    out = tmp_path / "out"
    captioner.stop = 71
    with pytest.raises(KeyboardInterrupt):
        write_auto_captions(captioner, curated(source), out)
    assert [p.name for p in out.glob("*.txt")] == ["IMG_0001.txt"]
    assert list(json.loads((out / "captions.json").read_text())["captions"]) == ["IMG_0001.txt"]
    captioner.stop = 99
    assert list(write_auto_captions(captioner, curated(source), out).texts) == ["IMG_0002.png"]
    sources = [p.caption_source for p in curated(source, caption_folder=str(out)).pictures]
    assert sources == ["auto", "auto", "file_name"]


def test_no_empty_files_for_pictures_that_it_has_nothing_to_say_of(source, captioner, monkeypatch):
    monkeypatch.setattr(Sizes, "captions", lambda self, images: [""] * len(images))
    done = write_auto_captions(captioner, curated(source))
    assert done.texts == {}
    assert not list(done.folder.glob("*.txt"))


def test_two_pictures_of_one_name(source, captioner):
    Image.effect_noise((90, 90), 60).save(source / "IMG_0001.webp")
    with pytest.raises(DatasetError, match=r"share the caption file IMG_0001\.txt"):
        write_auto_captions(captioner, curated(source))
