"""Judging sets again after what was decided: once decisions have settled, and never twice at a time."""

from __future__ import annotations

import time

from studio.errands import Desk, Errand, Standing
from studio.workplace.set_folder import SetFolder

KIND = "judge"

SETTLED_SECONDS = 1.0
"""How long nothing is decided before a set is judged again."""


def judging(place: SetFolder) -> Errand:
    """The errand for a set as it is now: after the next decision it is another."""
    picture_set = place.read()
    arguments = {
        "set": picture_set.name,
        "folder": str(place.path),
        "stamp": place.stamp(picture_set),
    }
    return Errand(KIND, arguments)


def see_to(desk: Desk, place: SetFolder) -> Standing | None:
    """Have a set judged where its judgement is out of date; for pages, which call it again and again.

    A set is left alone while decisions keep coming. One that failed is not tried again by itself.

    Returns:
        How the judging stands; None where the judgement is the newest.
    """
    if not place.is_stale():
        return None
    errand = judging(place)
    _give_up_older(desk, errand)
    has_judgement = place.manifest_path.is_file()
    if has_judgement and time.time() - place.set_path.stat().st_mtime < SETTLED_SECONDS:
        return Standing("waiting")
    standing = desk.ask(errand)
    # What was decided was taken back: the same set was judged before, and something else since.
    return desk.ask(errand, anew=True) if standing.state == "done" else standing


def _give_up_older(desk: Desk, errand: Errand) -> None:
    for older in desk.under_way(KIND):
        is_same_set = older.arguments["folder"] == errand.arguments["folder"]
        if is_same_set and older != errand and desk.standing(older).state == "waiting":
            desk.cancel(older)
