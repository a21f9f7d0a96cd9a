"""What comes in through the browser: bounded, of known kinds, under safe names, whole or not at all."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from studio.curation.pipeline import curate
from studio.errors import DatasetError
from studio.workplace import uploads
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.uploads import safe_file_name
from studio.workplace.workplace import Workplace


class Sent(io.BytesIO):
    """As Streamlit hands a file over."""

    def __init__(self, name: str, content: bytes, size: int | None = None) -> None:
        super().__init__(content)
        self.name = name
        self.size = len(content) if size is None else size


def picture(name: str = "a.png") -> Sent:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 40).save(file, "PNG")
    return Sent(name, file.getvalue())


def archive(**entries: bytes) -> Sent:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return Sent("My Set.zip", file.getvalue())


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PictureSets:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "open").mkdir()
    return PictureSets(Workplace.at(tmp_path / "runs", Roots.of([tmp_path / "open"])))


def test_pictures_and_captions_come_into_a_folder_of_their_own(sets: PictureSets) -> None:
    added = sets.add_uploads([picture("a.png"), Sent("a.txt", b"a thing")], "Mine")
    source = Path(added.source)
    assert added.name == "mine"
    assert source == sets.folder("mine").pictures
    assert sorted(p.name for p in source.iterdir()) == ["a.png", "a.txt"]
    assert curate(source, 64).pictures[0].caption == "a thing"
    assert sets.has_uploads("mine")


def test_an_archive_is_kept_packed(sets: PictureSets) -> None:
    sent = archive(**{"a.png": picture().getvalue()})
    added = sets.add_uploads([sent])
    assert added.name == "my-set"
    assert Path(added.source).read_bytes() == sent.getvalue()
    assert [p.name for p in curate(added.source, 64).pictures] == ["a.png"]


def test_uploads_go_only_when_that_is_asked(sets: PictureSets) -> None:
    name = sets.add_uploads([picture()], "one").name
    folder = sets.folder(name).path
    sets.remove(name)
    assert (folder / "pictures" / "a.png").is_file()
    name = sets.add_uploads([picture()], "two").name
    folder = sets.folder(name).path
    sets.remove(name, uploads=True)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/x.png", "x.png"),
        ("C:\\temp\\x.png", "x.png"),
        ("/etc/x.png", "x.png"),
        ("a\0b\n.png", "a_b_.png"),
        ('<img src="x" onerror=alert(1)>.png', "_img src=_x_ onerror=alert(1)_.png"),
        ("![](http:x).png", "![](http_x).png"),
        ("CON.png", "_CON.png"),
        (".hidden.png", ""),
        ("..", ""),
        ("...", ""),
        ("", ""),
        ("café.png", "café.png"),
        ("\ud800.png", "_.png"),
    ],
)
def test_names_are_made_safe(given: str, safe: str) -> None:
    assert safe_file_name(given) == safe


def test_a_very_long_name_is_cut_and_keeps_its_ending() -> None:
    name = safe_file_name("ä" * 400 + ".png")
    assert len(name.encode()) <= 210
    assert name.endswith("ä.png")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([], "no picture among the files"),
        ([Sent("a.txt", b"x")], "no picture among the files"),
        ([picture(), Sent("run.exe", b"x")], "run.exe is of another kind"),
        ([picture(), Sent("model.ckpt", b"x")], "of another kind"),
        ([picture("a.png"), picture("x/A.PNG")], "two files are called"),
        ([picture(), archive()], "came with other files"),
        ([Sent("a.png", b"x", 300 << 20)], "more than the"),
        ([picture(), Sent("a.txt", b"x", 2 << 20)], "more than the"),
        ([Sent("a.zip", b"x", 2_000_000_001)], "more than the"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    sets: PictureSets, tmp_path: Path, files: list[Sent], why: str
) -> None:
    with pytest.raises(DatasetError, match=why):
        sets.add_uploads(files, "mine")
    assert [p.name for p in (tmp_path / "runs/.studio/sets").iterdir()] == [".lock"]


def test_there_are_bounds_on_all_together(
    sets: PictureSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [picture("a.png"), picture("b.png")]
    monkeypatch.setattr(uploads, "MAX_FILES", 1)
    with pytest.raises(DatasetError, match="2 files are more than the 1"):
        sets.add_uploads(two)
    monkeypatch.setattr(uploads, "MAX_FILES", 10)
    monkeypatch.setattr(uploads, "MAX_TOTAL_BYTES", two[0].size)
    with pytest.raises(DatasetError, match="may come in at once"):
        sets.add_uploads(two)


def test_a_full_disk_is_told_before_anything_is_written(
    sets: PictureSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1000))
    with pytest.raises(DatasetError, match="make room"):
        sets.add_uploads([picture()])
    assert sets.names() == []


def test_a_file_that_breaks_off_leaves_nothing_behind(sets: PictureSets, tmp_path: Path) -> None:
    class Broken(Sent):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("connection lost")

    with pytest.raises(OSError, match="connection lost"):
        sets.add_uploads([picture("a.png"), Broken("b.png", b"x")], "mine")
    assert [p.name for p in (tmp_path / "runs/.studio/sets").iterdir()] == [".lock"]


def test_hidden_files_that_systems_add_are_left_out(sets: PictureSets) -> None:
    added = sets.add_uploads([picture(), Sent(".DS_Store", b"x"), Sent("._a.png", b"x")])
    assert [p.name for p in Path(added.source).iterdir()] == ["a.png"]
