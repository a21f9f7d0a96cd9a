from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from studio.curation import cache_tables, measurement_cache
from studio.curation.captions import Caption
from studio.curation.checks.check import Check
from studio.curation.file_stamp import FileStamp
from studio.curation.looking import look
from studio.curation.measuring import Measuring
from studio.curation.scan import scan
from studio.curation.view import Measurement, Pixels, View

HOUR_NS = 3_600_000_000_000


class Brightness(Check):
    """Remembers which pictures it measured, by their size."""

    name = "brightness"

    def __init__(self) -> None:
        self.measured: list[tuple[int, int]] = []

    def measure(self, pixels: Pixels) -> Measurement:
        self.measured.append(pixels.native.size)
        return np.array([pixels.gray.mean(), np.nan], np.float32)


class Nothing(Check):
    """Has nothing to say of any picture."""

    name = "nothing"

    def __init__(self) -> None:
        self.measured = 0

    def measure(self, pixels: Pixels) -> None:
        self.measured += 1


def views_of(folder: Path, *checks: Check, resolution_px: int = 64) -> list[View]:
    found = scan(folder)
    captions = {name: Caption("", "none") for name in found.pictures}
    return look(found, captions, checks, resolution_px, set(), processes=0)


def measured(folder: Path, **options: int) -> int:
    """How many pictures are measured anew."""
    check = Brightness()
    views_of(folder, check, **options)
    return len(check.measured)


@pytest.fixture
def opened_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the pictures that are opened from now on."""
    from studio.curation import decode

    names: list[str] = []
    real = decode._regular_file

    def noting(path: Path):
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(decode, "_regular_file", noting)
    return names


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the pictures had been made an hour ago."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + HOUR_NS)


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_unchanged_pictures_are_not_opened_again(folder, opened_files):
    first = views_of(folder, Brightness(), Nothing())
    assert len(opened_files) == 6
    opened_files.clear()
    again = (Brightness(), Nothing())
    second = views_of(folder, *again)
    assert opened_files == []
    assert (again[0].measured, again[1].measured) == ([], 0)
    assert [v.measurements["brightness"].tobytes() for v in first] == [
        v.measurements["brightness"].tobytes() for v in second
    ]
    assert "nothing" not in second[0].measurements
    assert [(v.digest, v.width_px, v.facts) for v in first] == [
        (v.digest, v.width_px, v.facts) for v in second
    ]


@pytest.mark.usefixtures("own_cache")
def test_a_picture_just_made_may_still_change_and_is_read_again(folder, opened_files):
    assert measured(folder) == 6
    opened_files.clear()
    assert measured(folder) == 0
    assert len(opened_files) == 6


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_a_moved_folder_is_read_but_not_measured(folder, tmp_path, opened_files):
    assert measured(folder) == 6
    opened_files.clear()
    shutil.copytree(folder, tmp_path / "copy")
    assert measured(tmp_path / "copy") == 0
    assert len(opened_files) == 6
    assert measured(tmp_path / "copy") == 0
    assert len(opened_files) == 6


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_a_changed_picture_is_measured_again_though_its_time_was_set_back(folder, scene):
    path = folder / "bee.bmp"
    scene(50).save(path)
    assert measured(folder) == 7
    before = path.stat()
    scene(51).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert measured(folder) == 1


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_what_measurements_depend_on(folder, monkeypatch):
    assert measured(folder) == 6
    assert measured(folder) == 0
    assert measured(folder, resolution_px=128) == 6
    monkeypatch.setattr(Brightness, "measured_since", 2)
    assert measured(folder) == 6
    assert measured(folder) == 0
    monkeypatch.setattr(cache_tables, "DECODER", "another Pillow")
    assert measured(folder) == 6


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_a_new_check_alone_is_measured(folder):
    assert measured(folder) == 6
    old, new = Brightness(), Nothing()
    views = views_of(folder, old, new)
    assert (old.measured, new.measured) == ([], 6)
    assert all("brightness" in view.measurements for view in views)


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_why_a_picture_is_unreadable_is_remembered(folder, opened_files):
    (folder / "cut.png").write_bytes((folder / "ant.png").read_bytes()[:-30])
    first = {v.name: v.unreadable for v in views_of(folder, Brightness())}
    opened_files.clear()
    assert {v.name: v.unreadable for v in views_of(folder, Brightness())} == first
    assert first["cut.png"].startswith("damaged or truncated")
    assert opened_files == []


@pytest.mark.usefixtures("own_cache", "an_hour_later")
def test_what_is_no_fault_of_the_bytes_is_tried_again(folder, opened_files):
    (folder / "later.png").symlink_to("/proc/self/mem")
    for _ in range(2):
        opened_files.clear()
        views = {v.name: v for v in views_of(folder, Brightness())}
        assert "cannot be read" in views["later.png"].unreadable
        assert opened_files[-1] == "later.png"


def spoil(database: Path) -> None:
    database.write_bytes(b"this is no database" * 1000)


def spoil_in_the_middle(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    database.write_bytes(content)


def make_a_folder_of_it(database: Path) -> None:
    database.unlink()
    database.mkdir()


def make_another_version_of_it(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def take_its_tables(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("DROP TABLE measurement")
    connection.commit()
    connection.close()


def fill_with_nonsense(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("UPDATE picture SET facts = '{'")
    connection.execute("UPDATE measurement SET numbers = X'00'")
    connection.commit()
    connection.close()


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize(
    "mishap",
    [
        spoil,
        spoil_in_the_middle,
        make_a_folder_of_it,
        make_another_version_of_it,
        take_its_tables,
        fill_with_nonsense,
    ],
)
def test_a_damaged_cache_costs_time_and_nothing_else(folder, own_cache, mishap):
    expected = [(v.digest, v.unreadable) for v in views_of(folder, Brightness())]
    mishap(own_cache)
    for _ in range(3):
        assert [(v.digest, v.unreadable) for v in views_of(folder, Brightness())] == expected


@pytest.mark.usefixtures("an_hour_later")
@pytest.mark.parametrize("mishap", [spoil, spoil_in_the_middle, fill_with_nonsense])
def test_a_damaged_cache_is_replaced(folder, own_cache, mishap):
    measured(folder)
    mishap(own_cache)
    measured(folder)
    measured(folder)
    assert measured(folder) == 0


def test_a_locked_cache_is_done_without(folder, own_cache, monkeypatch):
    monkeypatch.setattr(cache_tables, "_WAIT_SECONDS", 0.05)
    measured(folder)
    holder = sqlite3.connect(own_cache, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert measured(folder) == 6
    holder.execute("COMMIT")
    holder.close()
    assert measured(folder) == 0


def test_a_full_disk_stops_keeping_and_not_curation(folder, own_cache, monkeypatch):
    def full(*_arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(cache_tables, "insert_seen", full)
        assert measured(folder) == 6
    assert measured(folder) == 6
    assert measured(folder) == 0


def test_no_cache_folder_can_be_made(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert measured(folder) == 6
    assert measured(folder) == 6


def test_it_can_be_turned_off(folder, own_cache, monkeypatch):
    monkeypatch.setenv("STUDIO_CACHE", "off")
    assert measured(folder) == 6
    assert measured(folder) == 6
    assert not own_cache.exists()


def test_two_at_once(folder, own_cache, scene):
    for seed in range(40):
        scene(seed, (70, 70)).save(folder / f"{seed}.png")
    results: list[list[View]] = []
    threads = [
        threading.Thread(target=lambda: results.append(views_of(folder, Brightness())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = ([(v.name, v.digest, v.width_px) for v in views] for views in results)
    assert first == second
    assert measured(folder) == 0


@pytest.mark.usefixtures("an_hour_later")
def test_its_size_is_bounded_and_the_longest_unused_goes_first(
    folder, own_cache, tmp_path, scene, monkeypatch
):
    day = [20_000]
    monkeypatch.setattr(cache_tables, "today", lambda: day[0])
    measured(folder)
    day[0] += 1
    other = tmp_path / "other"
    other.mkdir()
    for seed in range(100, 140):
        scene(seed, (64, 64)).save(other / f"{seed}.png")
    monkeypatch.setattr(measurement_cache, "MAX_BYTES", 30_000)
    measured(other)
    assert own_cache.stat().st_size < 45_000
    assert measured(folder) == 6


def test_a_stamp_of_a_file_that_is_being_written_is_not_trusted(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    stamp = FileStamp.of((tmp_path / "a").stat())
    changed = max(stamp.modified_ns, stamp.changed_ns)
    assert stamp.was_fresh(changed)
    assert stamp.was_fresh(changed + 1_900_000_000)
    assert not stamp.was_fresh(changed + 2_100_000_000)


def test_checks_without_a_measure_of_their_own_are_not_asked():
    class Judging(Check):
        name = "judging"

    assert Measuring.by([Judging(), Brightness()], 64).since == {"brightness": 1}
