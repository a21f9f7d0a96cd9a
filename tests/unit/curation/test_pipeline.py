from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.curation.captions import read_captions
from studio.curation.checks import checks_for
from studio.curation.decode import open_rgb
from studio.curation.looking import look
from studio.curation.manifest import CuratedSet
from studio.curation.pipeline import curate
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError


def dump(source: Path) -> dict[str, str]:
    files = (p for p in sorted(source.rglob("*")) if p.is_file())
    return {
        str(p): f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.stat().st_mtime_ns}"
        for p in files
    }


@pytest.fixture
def mixed(folder, scene) -> Path:
    """Good pictures among all sorts of bad ones."""
    (folder / "sub").mkdir()
    scene(1).save(folder / "sub" / "again.jpg", quality=70)
    scene(8, (20, 20)).save(folder / "tiny.png")
    Image.new("RGB", (96, 96)).save(folder / "black.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "letter.jpg").write_text("Dear reader")
    (folder / "grün 猫.png").write_bytes((folder / "fox.png").read_bytes())
    (folder / "ant.txt").write_text("an ant, closely seen")
    return folder


def test_a_bad_picture_never_raises(mixed, curate_folder):
    curated = curate_folder(mixed)
    assert {p.name: [f.check for f in p.findings] for p in curated.dropped} == {
        "black.png": ["blank", "low_information", "exposure"],
        "empty.png": ["unreadable"],
        "grün 猫.png": ["exact_duplicate"],
        "letter.jpg": ["unreadable"],
        "sub/again.jpg": ["near_duplicate"],
        "tiny.png": ["too_small"],
    }
    assert len(curated.kept) == 6


def test_the_users_files_are_untouched(mixed, curate_folder):
    before = dump(mixed)
    curate_folder(mixed)
    assert dump(mixed) == before


def test_the_result_does_not_depend_on_the_order_of_the_file_system(mixed, curate_folder, tmp_path):
    expected = curate_folder(mixed)
    copy = tmp_path / "copy"
    for file in sorted((p for p in mixed.rglob("*") if p.is_file()), reverse=True):
        target = copy / file.relative_to(mixed)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    curated = curate_folder(copy)
    assert replace(curated, source=mixed) == expected
    assert curated.digest == expected.digest


def test_what_is_kept_of_a_picture_is_small(folder, scene):
    scene(20, (900, 300)).save(folder / "large.png")
    settings = DatasetSettings(source=str(folder))
    found = scan(folder)
    captions, _ = read_captions(found)
    views = look(found, captions, checks_for(settings, 64).all, 64, set())
    large = next(v for v in views if v.name == "large.png")
    assert (large.width_px, large.height_px) == (900, 300)
    assert sum(m.nbytes for m in large.measurements.values()) < 20_000


def test_progress_counts_every_picture(mixed):
    calls: list[tuple[int, int]] = []
    curate(DatasetSettings(source=str(mixed)), 64, progress=lambda *call: calls.append(call))
    assert calls == [(n, 12) for n in range(1, 13)]


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    curated = curate(DatasetSettings(source=f"~/{folder.name}"), 64)
    assert curated.source == folder
    assert open_rgb(curated.path_of(curated.kept[0])).size == (96, 96)


def test_manifest_round_trip(mixed, curate_folder, tmp_path):
    curated = curate_folder(mixed)
    curated.save(tmp_path / "manifest.json")
    loaded = CuratedSet.load(tmp_path / "manifest.json")
    assert loaded == curated
    assert loaded.digest == curated.digest
    assert loaded.duplicate_groups == (("bee.png", "sub/again.jpg"), ("fox.png", "grün 猫.png"))


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "source": 3}']
)
def test_a_damaged_manifest_is_the_users_error(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DatasetError, match=r"manifest\.json .*curate the pictures again"):
        CuratedSet.load(tmp_path / "manifest.json")


def test_the_digest_is_of_bytes_and_captions_not_of_names(folder, curate_folder):
    before = curate_folder(folder).digest
    (folder / "ant.txt").write_text("ant")
    (folder / "ant.png").rename(folder / "zebra.png")
    (folder / "ant.txt").rename(folder / "zebra.txt")
    assert curate_folder(folder).digest == before
    (folder / "zebra.txt").write_text("zebra")
    assert curate_folder(folder).digest != before


def test_keep_and_drop_by_hand(mixed, curate_folder):
    curated = curate_folder(mixed, keep=("sub/again.jpg", "empty.png"), drop=("cow.png",))
    verdicts = {p.name: (p.kept, [f.message for f in p.findings]) for p in curated.pictures}
    assert verdicts["sub/again.jpg"][0]
    assert "kept by hand" in verdicts["sub/again.jpg"][1]
    assert verdicts["cow.png"] == (False, ["dropped by hand"])
    assert not verdicts["empty.png"][0], "a broken file cannot be kept"


def test_of_duplicates_the_one_kept_by_hand_stays(mixed, curate_folder):
    curated = curate_folder(mixed, keep=("sub/again.jpg",))
    bee = next(p for p in curated.pictures if p.name == "bee.png")
    assert not bee.kept
    assert bee.findings[0].evidence["twin"] == "sub/again.jpg"


def test_what_was_dropped_by_hand_is_nobodys_twin(mixed, curate_folder):
    curated = curate_folder(mixed, drop=("bee.png",))
    assert "sub/again.jpg" in {p.name for p in curated.kept}


@pytest.mark.parametrize("field", ["keep", "drop"])
def test_unknown_names_by_hand(folder, curate_folder, field):
    with pytest.raises(
        DatasetError, match=rf"curation\.{field} names .*foxx\.png.*mean fox\.png\?"
    ):
        curate_folder(folder, **{field: ("foxx.png",)})


def test_a_name_in_both_lists(folder, curate_folder):
    with pytest.raises(DatasetError, match=r"fox\.png is in both"):
        curate_folder(folder, keep=("fox.png",), drop=("fox.png",))


def test_300_pictures_in_reasonable_time(tmp_path, scene, curate_folder):
    for seed in range(300):
        scene(seed, (64, 64)).save(tmp_path / f"picture {seed:03}.png")
    started = time.process_time()
    curated = curate_folder(tmp_path)
    assert len(curated.pictures) == 300
    assert time.process_time() - started < 15


def test_no_torch_is_imported():
    code = (
        "import sys, studio.curation, studio.curation.settings\n"
        "assert 'PIL' not in sys.modules, 'importing the settings must stay cheap'\n"
        "[getattr(studio.curation, name) for name in studio.curation.__all__]\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'accelerate', 'peft'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_has_a_home():
    import studio.curation

    assert studio.curation.__all__ == sorted(studio.curation.__all__)
    assert set(studio.curation._HOMES) == set(studio.curation.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = studio.curation.nonsense
