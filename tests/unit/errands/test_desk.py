from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from studio.errands import Desk, Errand, Standing
from studio.errands.kinds import KINDS, Kind

HERE = Path(__file__).parent
SLOW = 400
"""Counted to in eight seconds: longer than anything here waits for."""

FOR_TESTS = {
    "count": Kind("kinds_for_tests:count", "counting"),
    "count kept": Kind("kinds_for_tests:count", "keeping", is_kept=True),
    "refuse": Kind("kinds_for_tests:refuse", "counting"),
    "fail": Kind("kinds_for_tests:fail", "keeping", is_kept=True),
    "die": Kind("kinds_for_tests:die", "counting"),
}

# The worker is what it always is, but for the kinds that it knows.
BEGINNING = """
import runpy, sys
sys.path.insert(0, {here!r})
from studio.errands import kinds
kinds.KINDS = {kinds!r}
sys.argv = [sys.argv[0], *sys.argv[1:]]
runpy.run_module("studio.errands.worker", run_name="__main__")
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = _desk(tmp_path, monkeypatch)
    yield made
    made.close()


def _desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr("studio.errands.desk.KINDS", FOR_TESTS)
    script = folder / "worker.py"
    script.write_text(
        "from studio.errands.kinds import Kind\n"
        + BEGINNING.format(here=str(HERE), kinds=FOR_TESTS)
    )
    start = subprocess.Popen

    def started(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        assert command[1:4] == ["-P", "-m", "studio.errands.worker"]
        return start([sys.executable, str(script), *command[4:]], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr("studio.errands.lane.subprocess.Popen", started)
    return Desk(folder / "errands")


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def over(desk: Desk, errand: Errand) -> Standing:
    until(lambda: desk.standing(errand).is_over)
    return desk.standing(errand)


def test_an_errand_is_done_elsewhere_and_told_of(desk: Desk) -> None:
    errand = Errand("count", {"to": 20})
    assert desk.ask(errand).state == "waiting"
    until(lambda: desk.standing(errand).done > 2)
    working = desk.standing(errand)
    assert (working.state, working.title, working.total) == ("working", "counting", 20)
    result = over(desk, errand).result
    assert result["counted"] == 20
    assert result["pid"] != os.getpid()


def test_asked_for_twice_it_is_done_once(desk: Desk) -> None:
    first = over(desk, asked(desk, Errand("count", {"to": 1})))
    assert desk.ask(Errand("count", {"to": 1})) is first
    desk.ask(Errand("count", {"to": 1}), anew=True)
    assert over(desk, Errand("count", {"to": 1})) is not first


def test_asked_for_anew_while_it_is_under_way_it_is_not_begun_again(desk: Desk) -> None:
    errand = asked(desk, Errand("count", {"to": 20}))
    until(lambda: desk.standing(errand).done > 2)
    assert desk.ask(errand, anew=True).state == "working"
    assert desk.under_way("count") == [errand]
    over(desk, errand)
    assert desk.under_way("count") == []


def asked(desk: Desk, errand: Errand) -> Errand:
    desk.ask(errand)
    return errand


def test_one_lane_does_one_after_another_in_one_process(desk: Desk) -> None:
    errands = [asked(desk, Errand("count", {"to": n})) for n in (5, 6, 7)]
    assert desk.under_way("count") == errands
    pids = {over(desk, errand).result["pid"] for errand in errands}
    assert len(pids) == 1
    assert desk.under_way("count") == []


def test_two_lanes_do_not_wait_for_each_other(desk: Desk) -> None:
    slow = asked(desk, Errand("count", {"to": SLOW}))
    quick = asked(desk, Errand("count kept", {"to": 1}))
    assert over(desk, quick).state == "done"
    assert not desk.standing(slow).is_over


def test_what_is_refused_is_told_in_its_own_words_and_the_lane_goes_on(desk: Desk) -> None:
    refused = over(desk, asked(desk, Errand("refuse", {"what": "a comb"})))
    assert refused == Standing("failed", error="a comb will not do; take another")
    assert over(desk, asked(desk, Errand("count", {"to": 1}))).state == "done"


def test_a_fault_of_ours_is_one_line_with_the_traceback_in_the_log(desk: Desk) -> None:
    failed = over(desk, asked(desk, Errand("fail", {})))
    assert failed.error.startswith("ZeroDivisionError: division by zero")
    assert "\n" not in failed.error
    assert "Traceback" in (desk.folder / "keeping.log").read_text()
    assert [p.name for p in desk.folder.iterdir()] == ["keeping.log"], "nothing half done is left"


def test_a_process_that_dies_fails_its_errand_and_no_other(desk: Desk) -> None:
    dying, next_one = (
        asked(desk, Errand("die", {})),
        asked(desk, Errand("count", {"to": 1})),
    )
    assert "-9" in over(desk, dying).error
    assert over(desk, next_one).state == "done"


def test_what_waits_can_be_cancelled_and_what_is_being_done_too(desk: Desk) -> None:
    slow = asked(desk, Errand("count", {"to": SLOW}))
    waiting = asked(desk, Errand("count", {"to": 2}))
    after = asked(desk, Errand("count", {"to": 3}))
    until(lambda: desk.standing(slow).state == "working")
    desk.cancel(waiting)
    desk.cancel(slow)
    assert desk.standing(slow).error == desk.standing(waiting).error == "cancelled"
    assert over(desk, after).state == "done"


def test_what_is_kept_is_found_again_by_another_desk(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = asked(desk, Errand("count kept", {"to": 1}))
    over(desk, errand)
    folder = desk.folder / errand.key
    assert (folder / "counted.txt").read_text() == "1"
    assert json.loads((folder / "errand.json").read_text())["arguments"] == {"to": 1}
    other = Desk(desk.folder)
    assert other.standing(errand).result["counted"] == 1
    assert other.ask(errand).state == "done"
    assert other.standing(Errand("count kept", {"to": 2})).state == "failed"


def test_nobody_is_left_behind_when_the_desk_is_gone(tmp_path: Path) -> None:
    # A process of its own, which is killed as a dashboard may be.
    script = f"""
import sys, time
from pathlib import Path
from studio.errands import Desk, Errand
desk = Desk(Path({str(tmp_path)!r}))
desk.ask(Errand("judge", {{}}))
time.sleep(60)
"""
    desk = subprocess.Popen([sys.executable, "-c", script])
    children: list[psutil.Process] = []
    until(lambda: bool(children.extend(psutil.Process(desk.pid).children()) or children))
    desk.send_signal(signal.SIGKILL)
    desk.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_is_there(kind: Kind) -> None:
    assert callable(kind.load())
