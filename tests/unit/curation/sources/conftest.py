"""Sources of every kind, made of one folder, and what is asked of all of them."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, Image, Value
from pyarrow import ipc, parquet

from studio.curation.captions import captions_of
from studio.curation.manifest import CuratedSet
from studio.curation.pipeline import curate
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources import limits
from studio.curation.sources.folder import as_folder
from studio.errors import DatasetError

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


def files_of(folder: Path) -> list[tuple[str, Path]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path) for path in files]


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


@pytest.fixture
def pack(captioned: Path, tmp_path: Path) -> Callable[[str], Path]:
    """`captioned` as a source of that kind, under the kind's name."""
    return lambda kind: KINDS[kind](captioned, tmp_path / kind)


@pytest.fixture
def dataset(captioned: Path) -> Dataset:
    """`captioned` as the library has it."""
    return as_dataset(captioned)


def _contents(folder: Path) -> list[tuple[str, str]]:
    """Digests and captions of what would be looked at."""
    found = scan(folder)
    captions, _ = captions_of(found, DatasetSettings(source=str(folder)))
    return sorted(
        (hashlib.sha256((folder / name).read_bytes()).hexdigest(), captions[name].text)
        for name in found.pictures
    )


@pytest.fixture
def contents() -> Callable[[Path], list[tuple[str, str]]]:
    return _contents


def _look(source: object, **fields: Any) -> CuratedSet:
    return curate(
        DatasetSettings(source=str(source), **fields), 64, processes=0, advised_pictures=1
    )


@pytest.fixture
def look() -> Callable[..., CuratedSet]:
    """Curate a source, with fields of the ``dataset:`` section by keyword."""
    return _look


def _entries(to: Path, *pairs: tuple[str, bytes]) -> Path:
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
def entries() -> Callable[..., Path]:
    return _entries


@pytest.fixture
def six(folder: Path) -> list[bytes]:
    """The bytes of six good pictures."""
    return [path.read_bytes() for _, path in files_of(folder)]


@pytest.fixture
def picture(six: list[bytes]) -> bytes:
    return six[0]


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
