from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.curation.captions import Caption
from studio.curation.checks import checks_for
from studio.curation.checks.check import Check
from studio.curation.looking import look
from studio.curation.measuring import Measuring
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.view import Measurement, Pixels, View
from studio.curation.worker_pool import Room
from studio.curation.worker_process import WorkerDiedError, WorkerProcess
from studio.errors import Interrupted

Draw = Callable[..., Image.Image]

# A check whose fault depends on the picture's width: what hostile pictures do to decoders.
MISBEHAVING = """
import os, signal, time
import numpy as np
from studio.curation.checks.check import Check

class Misbehaving(Check):
    name = "misbehaving"
    def measure(self, pixels):
        width = pixels.native.width
        if width == 51:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == 52:
            os.kill(os.getpid(), signal.SIGSEGV)
        while width == 53:
            pass
        if width == 54:
            time.sleep(600)
        if width == 55:
            raise ZeroDivisionError("by nought")
        if width == 56:
            print("said by a decoder", flush=True)
        return np.full(1, width, np.float32)
"""


@pytest.fixture
def misbehaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    home = tmp_path / "checks"
    home.mkdir()
    (home / "misbehaving_check.py").write_text(MISBEHAVING)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setenv("STUDIO_CACHE", "off")
    from misbehaving_check import Misbehaving

    return Misbehaving()


@pytest.fixture
def widths(tmp_path: Path, scene: Draw) -> Callable[..., Path]:
    """A folder with a picture of each width, called by it."""

    def make(*all_px: int) -> Path:
        folder = tmp_path / "widths"
        folder.mkdir()
        for px in all_px:
            scene(px, (px, 48)).save(folder / f"{px}.png")
        return folder

    return make


@contextmanager
def running(measuring: Measuring) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(pickle.dumps(measuring))
    try:
        yield worker
    finally:
        worker.stop()


def looked_at(folder: Path, *checks: Check, **options: object) -> dict[str, View]:
    found = scan(folder)
    captions = {name: Caption("", "none") for name in found.pictures}
    return {view.name: view for view in look(found, captions, checks, 64, set(), **options)}


def content(views: dict[str, View]) -> list[str]:
    return [repr((v, [(n, m.tolist()) for n, m in v.measurements.items()])) for v in views.values()]


def test_processes_see_what_one_alone_sees(folder, monkeypatch):
    monkeypatch.setenv("STUDIO_CACHE", "off")
    (folder / "broken.png").write_bytes((folder / "ant.png").read_bytes()[:-20])
    checks = checks_for(DatasetSettings(source=str(folder)), 64).all
    alone = looked_at(folder, *checks, processes=0)
    assert content(alone) == content(looked_at(folder, *checks, processes=2))
    assert list(alone) == sorted(alone)
    assert alone["broken.png"].unreadable


def test_a_picture_that_ends_its_process_is_named_and_the_others_are_seen(widths, misbehaving):
    folder = widths(50, 51, 52, 56, 60)
    views = looked_at(folder, misbehaving, processes=1)
    assert "memory" in views["51.png"].unreadable
    assert "SIGSEGV" in views["52.png"].unreadable
    for px in (50, 56, 60):
        assert views[f"{px}.png"].measurements["misbehaving"] == [px]


def test_computing_for_ever_ends(widths, misbehaving, tmp_path):
    folder = widths(53)
    with running(Measuring((misbehaving,), 64, cpu_seconds=1)) as worker:
        with pytest.raises(WorkerDiedError, match="too long"):
            worker.look_at(folder / "53.png", lambda _header: ["misbehaving"])
        assert not worker.is_alive


def test_waiting_for_ever_ends(widths, misbehaving, tmp_path):
    folder = widths(54)
    with running(Measuring((misbehaving,), 64)) as worker:
        worker.time_limit_seconds = 0.2
        with pytest.raises(WorkerDiedError, match="too long"):
            worker.look_at(folder / "54.png", lambda _header: ["misbehaving"])


@pytest.mark.parametrize("processes", [0, 1])
def test_a_fault_of_ours_is_not_blamed_on_the_picture(widths, misbehaving, processes):
    folder = widths(55)
    with pytest.raises(RuntimeError, match=r"check misbehaving failed on .*55\.png: ZeroDivision"):
        looked_at(folder, misbehaving, processes=processes)


def test_where_no_process_starts_the_work_is_done_all_the_same(widths, misbehaving, monkeypatch):
    folder = widths(50, 60)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    views = looked_at(folder, misbehaving, processes=2)
    assert [v.measurements["misbehaving"].tolist() for v in views.values()] == [[50], [60]]


def test_a_check_that_cannot_travel_measures_here(widths, monkeypatch):
    monkeypatch.setenv("STUDIO_CACHE", "off")

    class Local(Check):
        name = "local"

        def measure(self, pixels):
            return pixels.gray.mean(keepdims=True)[0].astype("float32")

    views = looked_at(widths(50), Local(), processes=2)
    assert "local" in views["50.png"].measurements


def test_a_script_without_a_guard_may_curate(folder, tmp_path):
    """`multiprocessing` would start the script again in every process."""
    script = tmp_path / "script.py"
    script.write_text(
        "from studio.curation import curate\n"
        f"print(len(curate({str(folder)!r}, 64, processes=1, min_pictures=1).pictures))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("6\n", "")


def test_files_beside_the_user_are_not_taken_for_pythons(folder, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_CACHE", "off")
    assert not any(v.unreadable for v in looked_at(folder, processes=1).values())


def test_from_a_thread_that_is_not_the_first(folder):
    views: dict[str, View] = {}
    thread = threading.Thread(target=lambda: views.update(looked_at(folder, processes=1)))
    thread.start()
    thread.join()
    assert len(views) == 6


class Counting(Check):
    """Counts the pictures that it measures."""

    name = "counting"

    def __init__(self) -> None:
        self.measured = 0

    def measure(self, pixels: Pixels) -> Measurement:
        self.measured += 1
        return np.zeros(1, np.float32)


@pytest.mark.parametrize("processes", [0, 1])
def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_running(folder, own_cache, processes):
    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    threads, check = threading.active_count(), Counting()
    with pytest.raises(Interrupted) as caught:
        looked_at(folder, check, processes=processes, progress=interrupt)
    assert str(caught.value) == (
        "interrupted: 3 of 6 pictures are measured and kept; the same command goes on from there"
    )
    assert threading.active_count() == threads
    again = Counting()
    assert len(looked_at(folder, again, processes=0)) == 6
    assert again.measured == 3


def test_without_a_cache_ctrl_c_says_that_nothing_is_kept(folder, monkeypatch):
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("STUDIO_CACHE", "off")
    with pytest.raises(Interrupted, match=r"^interrupted after 1 of 6 pictures; nothing is kept"):
        looked_at(folder, progress=interrupt)


def test_room_is_never_overfilled_and_one_too_large_fits_alone():
    room, lock = Room(10), threading.Lock()
    inside, most = [0], [0]

    def use(count: int) -> None:
        with room.taken(count):
            with lock:
                inside[0] += min(count, 10)
                most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            with lock:
                inside[0] -= min(count, 10)

    threads = [threading.Thread(target=use, args=(count,)) for count in (4, 4, 4, 25, 1, 9, 10, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert inside == [0]
    assert most[0] <= 10
