"""Slow phases, by numbers; nothing here waits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from studio.training.settings import OptimizerSettings
from studio.training.slowdown import SlowdownWatch, SlowPhase, slowdown_warning
from studio.training.step_timer import StepTimer

STEADY = [9.0, 5.0, 2.0, *[1.0, 1.2, 0.8] * 5]
"""A cold start, then about a second a step."""


def phases(seconds: Iterable[float], watch: SlowdownWatch | None = None) -> list[SlowPhase]:
    watch = watch or SlowdownWatch()
    found = (watch.add(step, taken) for step, taken in enumerate(seconds, start=1))
    return [phase for phase in found if phase]


def test_a_steady_pace_is_no_news() -> None:
    assert phases([*STEADY, *[1.1] * 50]) == []


def test_a_jump_is_told_once_with_where_it_began() -> None:
    assert phases([*STEADY, *[4.2] * 60]) == [SlowPhase(since_step=19, seconds=4.2, times=4.2)]


def test_single_slow_steps_are_no_slow_phase() -> None:
    assert phases([*STEADY, *[60.0, 1.0, 60.0, 1.0, 1.0] * 10]) == []


def test_short_steps_are_slow_only_where_they_stay_so() -> None:
    steady = [0.2] * 60
    assert phases([*steady, *[0.8] * 10, *steady]) == []
    (phase,) = phases([*steady, *[0.8] * 60])
    assert phase.since_step == 61


def test_less_than_three_times_as_long_is_no_slow_phase() -> None:
    assert phases([*STEADY, *[2.9] * 60]) == []


def test_it_is_told_again_only_after_it_was_over() -> None:
    slow, between, usual = [5.0] * 10, [2.0] * 10, [1.0] * 10
    assert len(phases([*STEADY, *slow, *between, *slow])) == 1
    assert [p.since_step for p in phases([*STEADY, *slow, *usual, *slow])] == [19, 39]


def test_the_first_steps_are_no_measure() -> None:
    """Without the warm-up's nine seconds a step of four would not stand out."""
    assert phases([9.0] * 3 + [1.0] * 10 + [4.0] * 3 + [1.0] * 2)


def test_after_a_restart_the_pace_is_learned_anew() -> None:
    watch = SlowdownWatch()
    assert phases(STEADY, watch) == []
    watch.restart()
    assert phases([4.2] * 60, watch) == []


def test_the_warning_is_one_line_of_what_why_and_what_to_do() -> None:
    warning = slowdown_warning(SlowPhase(140, 6.1, 4.23), torch.device("cpu"))
    assert warning.startswith(
        "steps take 6.1 s since step 140, 4.2 times as long as at first: memory has probably been "
        "swapped to disk, or another program is busy ("
    )
    assert warning.endswith(
        " GB free); close other programs, or train anew with a lower optimizer.train_batch_size or "
        "dataset.resolution"
    )
    assert "\n" not in warning
    assert "take 61 ms since" in slowdown_warning(SlowPhase(140, 0.061, 4.2), torch.device("cpu"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("studio.training.step_timer.time.perf_counter", lambda: now[0])
    return now


def test_a_step_after_a_pause_is_known_as_one(clock: list[float]) -> None:
    timer = StepTimer(OptimizerSettings(), total_steps=9)
    seen = []
    for pause in (0.0, 0.01, 30.0, 0.01):
        clock[0] += pause
        with timer:
            clock[0] += 2.0
        seen.append((timer.after_pause, timer.seconds))
    assert seen == [(True, 2.0), (False, 2.0), (True, 2.0), (False, 2.0)]


def test_a_restarted_timer_tells_the_new_pace(clock: list[float]) -> None:
    timer = StepTimer(OptimizerSettings(train_batch_size=1), total_steps=9)
    for seconds in (2.0, 2.0, 8.0):
        with timer:
            clock[0] += seconds
        if seconds == 2.0:
            timer.restart()
    report = timer.report(3, 0.5, 1e-4, gradient_norm=1.0, peak_memory_bytes=7)
    assert report.eta_seconds == pytest.approx(6 * 8.0)
    assert report.images_per_second == pytest.approx(1 / 8)
    assert report.peak_memory_bytes == 7
