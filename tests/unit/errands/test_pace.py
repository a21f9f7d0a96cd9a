from __future__ import annotations

from studio.errands import Standing
from studio.errands.pace import Seen


def test_the_rest_goes_at_the_pace_since_the_first_look() -> None:
    seen = Seen.first(None, Standing("working", "drawing", 2, 10), 100.0)
    assert seen.seconds_left(Standing("working", "drawing", 2, 10), 101.0) is None
    later = Standing("working", "drawing", 6, 10)
    assert Seen.first(seen, later, 108.0) is seen
    assert seen.seconds_left(later, 108.0) == 8.0


def test_another_stage_is_looked_at_anew() -> None:
    seen = Seen.first(None, Standing("working", "loading"), 0.0)
    assert seen.seconds_left(Standing("working", "loading"), 9.0) is None
    drawing = Standing("working", "drawing", 1, 4)
    assert Seen.first(seen, drawing, 50.0).time == 50.0
