from __future__ import annotations

import pytest

from studio.watching.curves import SMOOTHING, Curve


def curve(*values: float) -> Curve:
    made = Curve()
    for step, value in enumerate(values, start=1):
        made.add(step, value)
    return made


def test_a_short_curve_is_shown_as_it_is() -> None:
    assert [(p.step, p.value) for p in curve(3, 1, 2).points(most=3)] == [(1, 3), (2, 1), (3, 2)]


def test_a_long_one_is_thinned_to_means_and_ends_at_its_last_step() -> None:
    points = curve(*range(1, 1002)).points(most=100)
    assert len(points) <= 100
    assert points[0].value == pytest.approx(sum(range(1, 12)) / 11)
    assert points[-1].step == 1001


def test_what_a_resumed_run_does_again_is_not_there_twice() -> None:
    made = curve(5, 4, 3, 9, 9)
    made.add(4, 2)
    assert [(p.step, p.value) for p in made.points()] == [(1, 5), (2, 4), (3, 3), (4, 2)]


def test_forgetting_keeps_the_step_itself() -> None:
    made = curve(5, 4, 3)
    made.forget_after(2)
    assert len(made) == 2


def test_the_smoothed_curve_is_the_moving_average_at_the_points_shown() -> None:
    smooth = curve(1, 2, 3, 4).smoothed(most=2)
    mean = 1.0
    expected = []
    for value in (1, 2, 3, 4):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        expected.append(mean)
    assert [(p.step, p.value) for p in smooth] == [
        (2, pytest.approx(expected[1])),
        (4, pytest.approx(expected[3])),
    ]


def test_of_nothing_there_is_nothing() -> None:
    assert Curve().points() == Curve().smoothed() == []
