"""Every kind of source is the folder it came from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from studio.curation.manifest import CuratedSet
from studio.curation.pipeline import curate
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources.folder import as_folder
from studio.errors import DatasetError
from studio.examples.masks import MaskSource, read_from, require_masks

KINDS = (
    "set.zip",
    "set.tar",
    "set.tar.gz",
    "shards.tar",
    "set.parquet",
    "plain.parquet",
    "file.arrow",
    "stream.arrow",
    "saved",
    "splits",
    "tables",
)


@pytest.fixture
def expected(
    captioned: Path, look: Callable[..., CuratedSet], seen: dict[str, CuratedSet]
) -> CuratedSet:
    """What curation says of `captioned`, looked at once: it is always the same."""
    if "captioned" not in seen:
        seen["captioned"] = look(captioned)
    return seen["captioned"]


@pytest.fixture(scope="module")
def seen() -> dict[str, CuratedSet]:
    return {}


def times(folder: Path) -> list[tuple[str, int]]:
    """When each file was last written, the cache's left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    kept = (path for path in files if folder / "cache" not in path.parents)
    return [(str(path), path.stat().st_mtime_ns) for path in kept]


def told(curated: CuratedSet) -> list[tuple[str, str]]:
    return sorted((p.digest, p.caption) for p in curated.pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_holds_what_its_folder_holds(  # noqa: PLR0917 - fixtures
    captioned, tmp_path, kind, monkeypatch, pack, contents
):
    source = pack(kind)
    before = times(tmp_path)
    unpacked = as_folder(str(source))
    assert contents(unpacked) == contents(captioned)
    assert times(tmp_path) == before
    monkeypatch.setattr("studio.curation.sources.folder._unpack", None)
    assert as_folder(str(source)) == unpacked, "what was unpacked once is found again"


@pytest.mark.parametrize("kind", ["set.zip", "saved"])
def test_the_curated_set_is_that_of_the_folder(expected, tmp_path, kind, pack, look):
    curated = look(pack(kind))
    assert curated.digest == expected.digest
    assert told(curated) == told(expected)
    assert curated.title == str(tmp_path / kind)


def test_the_names_are_those_of_the_folder(captioned, pack):
    names = scan(captioned).pictures
    for archive in (pack("set.zip"), pack("set.tar")):
        assert scan(as_folder(str(archive))).pictures == names


def test_the_manifest_says_both_places(expected, tmp_path, cache, pack, look):
    source = pack("set.zip")
    curated = look(source)
    curated.save(tmp_path / "manifest.json")
    loaded = CuratedSet.load(tmp_path / "manifest.json")
    assert loaded == curated
    assert (loaded.origin, loaded.source.parent) == (str(source), cache)
    assert expected.origin == ""


def test_another_content_is_another_folder(captioned, pack):
    source = pack("set.zip")
    first = as_folder(str(source))
    (captioned / "ant.txt").write_text("another ant")
    pack("set.zip")
    second = as_folder(str(source))
    assert first != second
    assert (first / "ant.txt").read_text() == "a red ant"
    assert (second / "ant.txt").read_text() == "another ant"


def test_a_folder_that_lost_files_is_made_anew(captioned, pack):
    source = pack("set.zip")
    folder = as_folder(str(source))
    (folder / "ant.png").unlink()
    assert as_folder(str(source)) == folder
    assert (folder / "ant.png").read_bytes() == (captioned / "ant.png").read_bytes()


def test_progress_is_told(pack):
    calls: list[tuple[int, int]] = []
    as_folder(str(pack("set.zip")), progress=lambda *c: calls.append(c))
    assert calls == [(n, 10) for n in range(1, 11)]


def test_masks_go_with_an_archive(captioned, tmp_path, pack):
    source = pack("set.zip")
    white = Image.new("L", (96, 96), 255)
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


def test_neither_pyarrow_nor_torch_is_imported_for_folders_and_archives(captioned, pack):
    source = pack("set.zip")
    code = (
        "import sys; from studio.curation.sources.folder import as_folder\n"
        f"as_folder({str(captioned)!r}); as_folder({str(source)!r})\n"
        "print({'pyarrow', 'datasets', 'torch', 'huggingface_hub'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
