"""Sets are judged again when decisions have settled: once, and with the newest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image

from studio.curation.manifest import CuratedSet, Picture
from studio.errands import Errand, Standing
from studio.workplace.picture_sets import PictureSets
from studio.workplace.rejudging import SETTLED_SECONDS, judging, see_to
from studio.workplace.roots import Roots
from studio.workplace.set_folder import SetFolder
from studio.workplace.workplace import Workplace


class Desk:
    """As the real one, with nobody at work."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.asked: list[Errand] = []
        self.cancelled: list[Errand] = []

    def ask(self, errand: Errand, *, anew: bool = False) -> Standing:
        known = self.standings.get(errand.key)
        if known is None or (anew and known.is_over):
            self.asked.append(errand)
            self.standings[errand.key] = Standing("waiting")
        return self.standings[errand.key]

    def standing(self, errand: Errand) -> Standing:
        return self.standings[errand.key]

    def under_way(self, kind: str) -> list[Errand]:
        return [e for e in self.asked if not self.standings[e.key].is_over and e.kind == kind]

    def cancel(self, errand: Errand) -> None:
        self.cancelled.append(errand)
        self.standings[errand.key] = Standing("failed", error="cancelled")


@pytest.fixture
def sets(tmp_path: Path) -> PictureSets:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    sets = PictureSets(Workplace.at(tmp_path / "runs", Roots.of([tmp_path])))
    sets.add(folder, "one")
    return sets


def done(place: SetFolder, desk: Desk) -> None:
    """What the errand would leave."""
    picture_set = place.read()
    found = (Picture("a.png", "1", 64, 64, "", "none"),)
    place.keep_judgement(CuratedSet(Path(picture_set.source), found), place.stamp(picture_set))
    desk.standings[judging(place).key] = Standing("done")


def settle(place: SetFolder) -> None:
    past = time.time() - 2 * SETTLED_SECONDS
    os.utime(place.set_path, (past, past))


def test_a_new_set_is_judged_at_once_and_once(sets: PictureSets) -> None:
    desk, place = Desk(), sets.folder("one")
    for _ in range(3):
        assert see_to(desk, place) == Standing("waiting")  # type: ignore[arg-type]
    assert desk.asked == [judging(place)]
    done(place, desk)
    assert see_to(desk, place) is None  # type: ignore[arg-type]


def test_decisions_settle_before_the_set_is_judged_again(sets: PictureSets) -> None:
    desk, place = Desk(), sets.folder("one")
    done(place, desk)
    sets.decide("one", "a.png", False)
    assert see_to(desk, place) == Standing("waiting")  # type: ignore[arg-type]
    assert desk.asked == []
    settle(place)
    see_to(desk, place)  # type: ignore[arg-type]
    assert desk.asked == [judging(place)]


def test_what_was_decided_and_taken_back_is_judged_once_more(sets: PictureSets) -> None:
    desk, place = Desk(), sets.folder("one")
    done(place, desk)
    sets.decide("one", "a.png", False)
    done(place, desk)
    sets.decide("one", "a.png", None)
    settle(place)
    assert see_to(desk, place) == Standing("waiting")  # type: ignore[arg-type]
    assert desk.asked == [judging(place)]


def test_an_older_one_that_still_waits_is_given_up(sets: PictureSets) -> None:
    desk, place = Desk(), sets.folder("one")
    see_to(desk, place)  # type: ignore[arg-type]
    older = judging(place)
    sets.decide("one", "a.png", False)
    see_to(desk, place)  # type: ignore[arg-type]
    assert desk.cancelled == [older]


def test_what_failed_is_not_tried_again_by_itself(sets: PictureSets) -> None:
    desk, place = Desk(), sets.folder("one")
    see_to(desk, place)  # type: ignore[arg-type]
    failed = desk.standings[judging(place).key] = Standing("failed", error="no such folder")
    assert see_to(desk, place) == failed  # type: ignore[arg-type]
    assert len(desk.asked) == 1
