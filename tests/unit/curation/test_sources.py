from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from huggingface_hub import HfApi
from PIL import Image as PillowImage
from pyarrow import ipc, parquet

from studio.curation.captions import captions_of
from studio.curation.manifest import CuratedSet
from studio.curation.pipeline import curate
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources import limits
from studio.curation.sources.folder import as_folder
from studio.curation.sources.given import absolute, shards, title
from studio.errors import DatasetError
from studio.examples.masks import MaskSource, read_from, require_masks
from studio.recipe import load_recipe, starter_recipe

CAPTIONS = {"ant": "a red ant", "bee": "eine Biene, grün", "cow": "", "dog": "a dog"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()
    return tmp_path / "cache" / "adapter-studio" / "pictures"


@pytest.fixture
def captioned(folder: Path) -> Path:
    """Six pictures, one of them in a sub-folder and two captioned by their names alone."""
    for name, text in CAPTIONS.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "sub 猫").mkdir()
    for ending in ("png", "txt"):
        (folder / f"dog.{ending}").rename(folder / "sub 猫" / f"dog.{ending}")
    return folder


@pytest.fixture
def expected(captioned: Path, seen: dict[str, CuratedSet]) -> CuratedSet:
    """What curation says of `captioned`, looked at once: it is always the same."""
    if "captioned" not in seen:
        seen["captioned"] = look(captioned)
    return seen["captioned"]


@pytest.fixture(scope="module")
def seen() -> dict[str, CuratedSet]:
    return {}


def files_of(folder: Path) -> list[tuple[str, Path]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path) for path in files]


def times(folder: Path) -> list[tuple[str, int]]:
    """When each file was last written, the cache's left out."""
    files = files_of(folder)
    return [(n, path.stat().st_mtime_ns) for n, path in files if not n.startswith("cache/")]


def zipped(folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files_of(folder):
            archive.write(path, name)
    return to


def tarred(folder: Path, to: Path, mode: str = "w") -> Path:
    with tarfile.open(to, mode) as archive:
        archive.add(folder, ".")
    return to


def rows(folder: Path) -> dict[str, list[Any]]:
    """Pictures and texts; the two without a caption file have None."""
    pictures = [path for _, path in files_of(folder) if path.suffix == ".png"]
    texts = [path.with_suffix(".txt") for path in pictures]
    return {
        "image": [{"bytes": path.read_bytes(), "path": path.name} for path in pictures],
        "text": [text.read_text() if text.exists() else None for text in texts],
    }


def as_dataset(folder: Path) -> Dataset:
    return Dataset.from_dict(
        rows(folder), features=Features({"image": Image(), "text": Value("string")})
    )


def plain_parquet(folder: Path, to: Path) -> Path:
    """Without what `datasets` writes into the schema, and in one row group."""
    parquet.write_table(pa.table(rows(folder)), to)
    return to


def arrow_file(folder: Path, to: Path) -> Path:
    table = pa.table(rows(folder))
    with ipc.new_file(str(to), table.schema) as writer:
        writer.write_table(table)
    return to


def arrow_stream(folder: Path, to: Path) -> Path:
    saved = saved_folder(folder, to.with_suffix(""))
    shutil.copy(next(saved.glob("*.arrow")), to)
    return to


def saved_folder(folder: Path, to: Path) -> Path:
    as_dataset(folder).save_to_disk(to)
    return to


def saved_splits(folder: Path, to: Path) -> Path:
    whole = as_dataset(folder)
    DatasetDict({"test": whole.select([0]), "train": whole}).save_to_disk(to)
    return to


def parquet_folder(folder: Path, to: Path) -> Path:
    (to / "data").mkdir(parents=True)
    whole = as_dataset(folder)
    for number, indices in enumerate(([0, 1, 2], [3, 4, 5])):
        whole.select(indices).to_parquet(to / "data" / f"train-{number:05d}.parquet")
    return to


def two_shards(folder: Path, to: Path) -> Path:
    files = files_of(folder)
    for number, part in enumerate((files[:4], files[4:])):
        with tarfile.open(to.with_name(f"part-{number:03}.tar"), "w") as archive:
            for name, path in part:
                archive.add(path, name)
    return to.with_name("part-{000..001}.tar")


KINDS: dict[str, Callable[[Path, Path], Path]] = {
    "set.zip": zipped,
    "set.tar": tarred,
    "set.tar.gz": lambda folder, to: tarred(folder, to, "w:gz"),
    "shards.tar": two_shards,
    "set.parquet": lambda folder, to: (as_dataset(folder).to_parquet(to), to)[1],
    "plain.parquet": plain_parquet,
    "file.arrow": arrow_file,
    "stream.arrow": arrow_stream,
    "saved": saved_folder,
    "splits": saved_splits,
    "tables": parquet_folder,
}


def look(source: object, **fields: Any) -> CuratedSet:
    return curate(
        DatasetSettings(source=str(source), **fields), 64, processes=0, advised_pictures=1
    )


def told(curated: CuratedSet) -> list[tuple[str, str]]:
    return sorted((p.digest, p.caption) for p in curated.pictures)


def contents(folder: Path) -> list[tuple[str, str]]:
    """Digests and captions of what would be looked at."""
    found = scan(folder)
    captions, _ = captions_of(found, DatasetSettings(source=str(folder)))
    return sorted(
        (hashlib.sha256((folder / name).read_bytes()).hexdigest(), captions[name].text)
        for name in found.pictures
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_holds_what_its_folder_holds(captioned, tmp_path, kind, monkeypatch):
    source = KINDS[kind](captioned, tmp_path / kind)
    before = times(tmp_path)
    unpacked = as_folder(str(source))
    assert contents(unpacked) == contents(captioned)
    assert times(tmp_path) == before
    monkeypatch.setattr("studio.curation.sources.folder._unpack", None)
    assert as_folder(str(source)) == unpacked, "what was unpacked once is found again"


@pytest.mark.parametrize("kind", ["set.zip", "saved"])
def test_the_curated_set_is_that_of_the_folder(captioned, expected, tmp_path, kind):
    curated = look(KINDS[kind](captioned, tmp_path / kind))
    assert curated.digest == expected.digest
    assert told(curated) == told(expected)
    assert curated.title == str(tmp_path / kind)


def test_the_names_are_those_of_the_folder(captioned, tmp_path):
    names = scan(captioned).pictures
    for archive in (zipped(captioned, tmp_path / "a.zip"), tarred(captioned, tmp_path / "a.tar")):
        assert scan(as_folder(str(archive))).pictures == names


def test_the_manifest_says_both_places(captioned, expected, tmp_path, cache):
    source = zipped(captioned, tmp_path / "set.zip")
    curated = look(source)
    curated.save(tmp_path / "manifest.json")
    loaded = CuratedSet.load(tmp_path / "manifest.json")
    assert loaded == curated
    assert (loaded.origin, loaded.source.parent) == (str(source), cache)
    assert expected.origin == ""


def test_another_content_is_another_folder(captioned, tmp_path):
    source = zipped(captioned, tmp_path / "set.zip")
    first = as_folder(str(source))
    (captioned / "ant.txt").write_text("another ant")
    zipped(captioned, source)
    second = as_folder(str(source))
    assert first != second
    assert (first / "ant.txt").read_text() == "a red ant"
    assert (second / "ant.txt").read_text() == "another ant"


def test_a_folder_that_lost_files_is_made_anew(captioned, tmp_path):
    source = zipped(captioned, tmp_path / "set.zip")
    folder = as_folder(str(source))
    (folder / "ant.png").unlink()
    assert as_folder(str(source)) == folder
    assert (folder / "ant.png").read_bytes() == (captioned / "ant.png").read_bytes()


def test_progress_is_told(captioned, tmp_path):
    calls: list[tuple[int, int]] = []
    as_folder(str(zipped(captioned, tmp_path / "a.zip")), progress=lambda *c: calls.append(c))
    assert calls == [(n, 10) for n in range(1, 11)]


# Interrupted

KILLED = """
    import time
    from studio.curation.sources import unpacking
    from studio.curation.sources.folder import as_folder
    add = unpacking.Unpacking.add
    def slow(self, name, chunks):
        add(self, name, chunks)
        if self.files == 3:
            print("now", flush=True)
            time.sleep(60)
    unpacking.Unpacking.add = slow
    as_folder({source!r})
"""


def test_a_kill_half_way_leaves_nothing_that_is_used(captioned, tmp_path, cache):
    source = zipped(captioned, tmp_path / "set.zip")
    code = textwrap.dedent(KILLED).format(source=str(source))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"now\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [path for path in cache.iterdir() if not path.name.startswith(".")] == []
    assert contents(as_folder(str(source))) == contents(captioned)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1, "the rest is swept up"


def test_an_interrupt_leaves_nothing(captioned, tmp_path, cache):
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    source = zipped(captioned, tmp_path / "set.zip")
    with pytest.raises(KeyboardInterrupt):
        as_folder(str(source), progress=interrupt)
    assert [path for path in cache.iterdir() if path.is_dir()] == []


# Names and captions in archives


def entries(to: Path, *pairs: tuple[str, bytes]) -> Path:
    """An archive of these files, zip or tar by its name."""
    if to.suffix == ".zip":
        with zipfile.ZipFile(to, "w") as archive:
            for name, content in pairs:
                archive.writestr(zipfile.ZipInfo(name), content)
        return to
    with tarfile.open(to, "w") as tar:
        for name, content in pairs:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return to


@pytest.fixture
def picture(folder: Path) -> bytes:
    return (folder / "ant.png").read_bytes()


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_what_a_mac_and_windows_add_is_left_out(tmp_path, picture, ending):
    source = entries(
        tmp_path / f"a{ending}",
        ("sub\\ant.png", picture),
        ("__MACOSX/sub/._ant.png", b"junk"),
        ("._ant.png", b"junk"),
        (".DS_Store", b"junk"),
        ("Thumbs.db", b"junk"),
        ("setup.exe", b"junk"),
    )
    unpacked = as_folder(str(source))
    assert [name for name, _ in files_of(unpacked)] == [".unpacked.json", "sub/ant.png"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [("grün.png".encode(), "grün.png"), (b"caf\x82.png", "café.png")],
    ids=["utf-8 without saying so", "dos"],
)
def test_zip_names_in_old_encodings(tmp_path, picture, raw, name):
    placeholder = "x" * len(raw)
    source = entries(tmp_path / "a.zip", (placeholder, picture))
    source.write_bytes(source.read_bytes().replace(placeholder.encode(), raw))
    assert scan(as_folder(str(source))).pictures == [name]


def test_tar_names_that_are_no_utf8(tmp_path, picture):
    source = tmp_path / "a.tar"
    with tarfile.open(source, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        member = tarfile.TarInfo("café.png")
        member.size = len(picture)
        tar.addfile(member, io.BytesIO(picture))
    assert scan(as_folder(str(source))).pictures == ["café.png"]


def test_webdataset_keys(tmp_path, folder):
    pictures = [path.read_bytes() for _, path in files_of(folder)]
    source = entries(
        tmp_path / "a.tar",
        ("000.json", json.dumps({"id": 1, "caption": "from json"}).encode()),
        ("000.png", pictures[0]),
        ("001.image.png", pictures[1]),
        ("001.txt", b"of the key"),
        ("002.png", pictures[2]),
        ("002.cls", b"cat\n"),
        ("003.png", pictures[3]),
        ("003.cls", b"3\n"),
        ("004.png", pictures[4]),
        ("004.txt", b"own"),
        ("004.json", b'{"text": "not this"}'),
        ("005.png", pictures[5]),
        ("005.json", b"{broken"),
    )
    captions = {p.name: p.caption for p in look(source).pictures}
    assert captions == {
        "000.png": "from json",
        "001.image.png": "of the key",
        "002.png": "cat",
        "003.png": "",
        "004.png": "own",
        "005.png": "",
    }


def test_an_archives_own_metadata_stays(tmp_path, folder):
    first, second = (path.read_bytes() for _, path in files_of(folder)[:2])
    line = json.dumps({"file_name": "1.png", "text": "its own"}).encode()
    source = entries(
        tmp_path / "a.tar",
        ("metadata.jsonl", line),
        ("0.png", first),
        ("0.json", b'{"caption": "a sidecar"}'),
        ("1.png", second),
    )
    assert [p.caption for p in look(source).pictures] == ["a sidecar", "its own"]
    assert as_folder(str(source)) == as_folder(str(source))


# Hostile and broken archives


@pytest.fixture
def refused(tmp_path: Path, cache: Path) -> Callable[..., None]:
    """The source is refused in one line that has these words; nothing is written or left behind."""

    def outside() -> list[tuple[Path, int]]:
        around = {*tmp_path.rglob("*"), *tmp_path.parent.iterdir()}
        return sorted(
            (p, p.lstat().st_size) for p in around if cache.parents[1] not in (p, *p.parents)
        )

    def check(source: object, *words: str, **settings: str) -> None:
        before = outside()
        with pytest.raises(DatasetError) as caught:
            as_folder(str(source), **settings)
        message = str(caught.value)
        assert message.isprintable()
        assert not [word for word in words if word not in message], message
        assert not [path for path in cache.glob("*") if path.is_dir()]
        assert outside() == before

    return check


@pytest.fixture
def lower(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Other limits, so that a test need not fill the disk."""

    def call(**changes: int) -> None:
        monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, **changes))

    return call


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize(
    "name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_names_that_lead_outside(tmp_path, picture, refused, name, ending):
    source = entries(tmp_path / f"a{ending}", ("ant.png", picture), (name, picture))
    refused(source, "outside its folder", name)


def test_a_link_in_a_zip(tmp_path, refused):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(tmp_path / "a.zip", "link.png is a link")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar(tmp_path, refused, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("link.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refused(tmp_path / "a.tar", "link.png is a link or device")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(tmp_path, picture, refused, ending):
    source = entries(tmp_path / f"a{ending}", ("a.png", picture), ("./a.png", picture))
    refused(source, "a.png", "two of that name")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a.png/b.png"])
def test_names_that_no_file_can_have(tmp_path, picture, refused, name, ending):
    source = entries(tmp_path / f"a{ending}", ("a.png", picture), (name, picture))
    refused(source, "cannot be unpacked", "rename it")


def test_a_locked_zip(tmp_path, picture, refused):
    source = entries(tmp_path / "a.zip", ("a.png", picture))
    with zipfile.ZipFile(source) as archive:
        flags_at = archive.start_dir + 8
    content = bytearray(source.read_bytes())
    content[flags_at] |= 1
    source.write_bytes(content)
    refused(source, "locked with a password")


def test_a_zip_bomb_by_size(tmp_path, refused, lower):
    lower(ratio_from_bytes=1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(8 << 20))
    refused(tmp_path / "a.zip", "200 times", "trap")


def test_a_tar_bomb_by_size(tmp_path, refused, lower):
    lower(ratio_from_bytes=1 << 20)
    plain = entries(tmp_path / "plain.tar", ("hidden.bin", bytes(8 << 20)))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    refused(tmp_path / "a.tar.gz", "200 times", "trap")


def test_a_file_larger_than_any_picture(tmp_path, refused):
    source = entries(tmp_path / "a.tar", ("a.png", b""))
    header = tarfile.TarInfo("a.png")
    header.size = 1 << 40
    source.write_bytes(header.tobuf())
    refused(source, "a.png is 1099.5 GB", "1.1 GB")


def test_a_header_of_gigabytes(tmp_path, refused):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    refused(tmp_path / "a.tar", "larger than any picture's")


def test_headers_without_end(tmp_path, refused):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 512
    block = header.tobuf(tarfile.GNU_FORMAT) + b"x" * 511 + b"\0"
    (tmp_path / "a.tar").write_bytes(block * 2000)
    refused(tmp_path / "a.tar", "damaged")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_too_many_files(tmp_path, refused, lower, ending):
    lower(files=5)
    source = entries(tmp_path / f"a{ending}", *((f"{n}.png", b"") for n in range(6)))
    refused(source, "5", "give it in parts")


def test_a_disk_that_is_too_small(captioned, tmp_path, refused, monkeypatch):
    source = zipped(captioned, tmp_path / "a.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300_000_000))
    as_folder(str(source))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000_000))
    shutil.rmtree(as_folder(str(source)))
    refused(source, "200.0 MB free", "XDG_CACHE_HOME")


@pytest.mark.parametrize("kind", ["set.zip", "set.tar", "set.tar.gz", "plain.parquet"])
@pytest.mark.parametrize("left", [0, 5, 700, 20_001])
def test_a_source_that_is_cut_off(captioned, tmp_path, refused, kind, left):
    source = KINDS[kind](captioned, tmp_path / kind)
    source.write_bytes(source.read_bytes()[:left])
    refused(source, kind, "cut off", "fetch it again")


@pytest.mark.parametrize("kind", ["set.zip", "set.tar.gz"])
def test_a_spoiled_byte(captioned, tmp_path, refused, kind):
    source = KINDS[kind](captioned, tmp_path / kind)
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 0xFF
    source.write_bytes(content)
    refused(source, kind, "damaged", "fetch")


def test_a_spoiled_header_in_the_middle_of_a_tar(tmp_path, picture, refused):
    source = entries(tmp_path / "a.tar", ("a.png", picture), ("b.png", picture))
    source.write_bytes(source.read_bytes().replace(b"b.png", b"c.png"))
    refused(source, "a spoiled header")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_an_archive_without_pictures(tmp_path, refused, ending):
    refused(entries(tmp_path / f"a{ending}", ("a.doc", b"x")), f"no pictures in a{ending}")


# Tables


def test_a_table_keeps_the_bytes_and_names_every_row(tmp_path, folder):
    first, second = (path.read_bytes() for _, path in files_of(folder)[:2])
    table = {
        "image": [
            {"bytes": first, "path": "../../evil.png"},
            {"bytes": second, "path": "x/evil.png"},
            {"bytes": None, "path": None},
            {"bytes": b"\xff\xd8\xff rest", "path": None},
        ],
        "caption": [["several", "texts"], None, ["nothing there"], ["broken"]],
    }
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    curated = look(tmp_path / "a.parquet")
    assert {p.name: (p.caption, p.kept) for p in curated.pictures} == {
        "evil.png": ("several", True),
        "evil-000001.png": ("evil", True),
        "000002.png": ("nothing there", False),
        "000003.jpg": ("broken", False),
    }
    read = {p.name: curated.path_of(p).read_bytes() for p in curated.pictures}
    assert (read["evil.png"], read["evil-000001.png"]) == (first, second)


def test_pictures_in_a_column_of_bytes_and_classes_for_captions(tmp_path, folder):
    contents = [path.read_bytes() for _, path in files_of(folder)]
    features = Features(
        {"id": Value("int64"), "jpg": Value("binary"), "label": ClassLabel(names=["cat", "dog"])}
    )
    columns = {"id": list(range(6)), "jpg": contents, "label": [0, 1, 0, 1, 0, 1]}
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "a.parquet")
    curated = look(tmp_path / "a.parquet", caption_column="label")
    assert [p.caption for p in curated.pictures] == ["cat", "dog"] * 3
    assert [curated.path_of(p).read_bytes() for p in curated.pictures] == contents


@pytest.mark.parametrize(
    ("columns", "given", "words"),
    [
        ({"a": ["x"]}, "", ("no column of pictures among a",)),
        ({"image": [b"x"], "title": ["y"]}, "", ("image, title", "caption_column=NAME", "none")),
        ({"image": [b"x"], "title": ["y"]}, "tilte", ("tilte is no column", "image, title")),
        ({"image": [b"x"], "n": [1]}, "n", ("n holds no text",)),
        ({"image": [{"bytes": None, "path": "/etc/passwd"}]}, "", ("row 0 names a file",)),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, refused, columns, given, words):
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", *words, caption_column=given)


def test_captions_can_be_left_out(tmp_path, captioned):
    source = plain_parquet(captioned, tmp_path / "a.parquet")
    curated = look(source, caption_column="none")
    assert {p.caption for p in curated.pictures} == {"ant", "bee", "cow", "dog", "eel", "fox"}


def test_splits_without_train(tmp_path, captioned, refused):
    whole = as_dataset(captioned)
    DatasetDict({"test": whole, "dev": whole}).save_to_disk(tmp_path / "given")
    refused(tmp_path / "given", "splits test, dev", "folder of one of them")
    assert len(scan(as_folder(str(tmp_path / "given" / "dev"))).pictures) == 6


def test_a_damaged_saved_set(tmp_path, captioned, refused):
    saved = saved_folder(captioned, tmp_path / "given")
    next(saved.glob("*.arrow")).write_bytes(b"")
    refused(saved, "no whole saved data set", "save it anew")


# The hub


@pytest.fixture
def hub(captioned: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub whose only dataset is `captioned`; counts what is asked of it."""
    state = SimpleNamespace(online=True, commit="1" * 40, loaded=[])

    def dataset_info(_self: HfApi, repo: str, *, revision: str, timeout: float) -> Any:
        if not state.online:
            raise ConnectionError("no network")
        return SimpleNamespace(sha=state.commit)

    def load_dataset(*arguments: Any, **options: Any) -> Dataset:
        state.loaded.append((arguments, options))
        if not state.online:
            raise ConnectionError("no network")
        if options["split"] == "tset":
            raise ValueError('Unknown split "tset". Should be one of\n["train"].')
        return as_dataset(captioned)

    monkeypatch.setattr(HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return state


def test_a_dataset_on_the_hub(hub, captioned):
    unpacked = as_folder("hf:owner/name/subset@v1:train[:50%]")
    assert contents(unpacked) == contents(captioned)
    assert hub.loaded == [
        (
            ("hf://datasets/owner/name", "subset"),
            {"revision": "1" * 40, "split": "train[:50%]"},
        )
    ]


def test_the_hub_is_asked_for_news_and_not_for_what_is_here(hub):
    first = as_folder("hf:owner/name")
    hub.online = False
    assert as_folder("hf:owner/name") == first
    assert len(hub.loaded) == 1
    hub.online, hub.commit = True, "2" * 40
    assert as_folder("hf:owner/name") != first
    assert as_folder(f"hf:owner/name@{'1' * 40}") == first


def test_without_a_network_the_hub_is_one_line(hub, refused):
    hub.online = False
    refused("hf:owner/name", "hf:owner/name cannot be had", "no network", "give a folder")
    refused(f"hf:owner/name@{'3' * 40}", "cannot be had")


def test_a_split_that_the_dataset_has_not(hub, refused):
    refused("hf:owner/name:tset", 'one of ["train"]', "@revision:split")


def test_the_librarys_own_offline_mode_is_one_line(refused, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("hf:owner/name", "hf:owner/name cannot be had", "HF_HUB_OFFLINE")


@pytest.mark.parametrize("given", ["hf:", "hf:name", "hf:a/b/c/d", "hf:a/b@", "hf:a b/c"])
def test_a_name_that_the_hub_cannot_have(refused, given):
    refused(given, f"{given} is no data set's name", "hf:owner/name")


# How a source is written


def test_shards_of_a_pattern():
    assert shards("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert shards("{0..1}/{1..2}.tar") == ["0/1.tar", "0/2.tar", "1/1.tar", "1/2.tar"]


@pytest.mark.parametrize("pattern", ["a-{3..1}.tar", "a-{0..999999999}.tar"])
def test_a_range_that_makes_no_sense(refused, pattern):
    refused(pattern, pattern, "give a range")


def test_missing_shards(tmp_path, picture, refused):
    entries(tmp_path / "a-1.tar", ("a.png", picture))
    refused(tmp_path / "a-{0..5}.tar", "5 of the 6", "a-0.tar, a-2.tar, a-3.tar and 2 more")


def test_what_is_no_source(tmp_path, refused):
    (tmp_path / "a.rar").write_bytes(b"x")
    refused(tmp_path / "a.rar", "a.rar is a file", ".zip", "hf:owner/name")
    refused("owner/name", "write hf:owner/name")
    refused(tmp_path / "gone", "no folder", "check the path")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/x/My Cats.zip", "My Cats"),
        ("shards-{000..003}.tar.gz", "shards-"),
        ("hf:owner/cats@v1:train", "cats"),
        ("pics.v2", "pics.v2"),
    ],
)
def test_what_a_source_is_called(given, name):
    assert title(given) == name


def test_recipes_know_every_kind(tmp_path, captioned, monkeypatch):
    assert absolute("hf:owner/cats") == "hf:owner/cats"
    recipe = starter_recipe("hf:owner/cats:train")
    assert (recipe.name, recipe.dataset.source) == ("cats", "hf:owner/cats:train")
    two_shards(captioned, tmp_path / "x.tar")
    recipe = starter_recipe("part-{000..001}.tar")
    assert (recipe.name, recipe.dataset.source) == ("part", str(tmp_path / "part-{000..001}.tar"))
    text = "name: x\ndataset: {source: 'part-{000..001}.tar'}\ntrainer: {kind: lora}\n"
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.chdir("/")
    source = load_recipe(tmp_path / "r.yaml").dataset.source
    assert source == str(tmp_path / "part-{000..001}.tar")


def test_masks_go_with_an_archive(captioned, tmp_path):
    source = zipped(captioned, tmp_path / "a.zip")
    white = PillowImage.new("L", (96, 96), 255)
    for name in scan(captioned).pictures:
        mask = tmp_path / "masks" / name
        mask.parent.mkdir(parents=True, exist_ok=True)
        white.save(mask)
    masks = {"mask": "folder", "mask_folder": str(tmp_path / "masks")}
    settings = DatasetSettings(source=str(source), **masks)
    curated = curate(settings, 64, processes=0)
    require_masks(curated, settings)
    path = curated.path_of(curated.kept[0])
    assert MaskSource(read_from(curated, settings)).mask(path, (96, 96)) is not None
    (tmp_path / "masks" / "ant.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask for ant\.png"):
        require_masks(curated, settings)


def test_neither_pyarrow_nor_torch_is_imported_for_folders_and_archives(captioned, tmp_path):
    source = zipped(captioned, tmp_path / "a.zip")
    code = (
        "import sys; from studio.curation.sources.folder import as_folder\n"
        f"as_folder({str(captioned)!r}); as_folder({str(source)!r})\n"
        "print({'pyarrow', 'datasets', 'torch', 'huggingface_hub'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
