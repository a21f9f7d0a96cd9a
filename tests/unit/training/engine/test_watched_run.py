"""What a run tells of its memory and pace while it goes."""

from __future__ import annotations

from typing import Any

import pytest

from studio.training.events import EventListener
from studio.training.slowdown import SlowPhase


def test_the_peak_of_memory_is_in_the_events(engine: Any) -> None:
    events: list[dict[str, Any]] = []
    engine.fit("run", EventListener(events.append), steps=2)
    peaks = [event["peak_memory_bytes"] for event in events if event["event"] == "step"]
    assert 10**8 < peaks[0] <= peaks[1] < 10**12
    assert events[-1] == {"event": "training_ended", "step": 2, "peak_memory_bytes": peaks[1]}

    events.clear()
    engine.fit("run", EventListener(events.append), steps=2)
    assert events[-1] == {"event": "training_ended", "step": 2}


def test_a_slow_phase_is_told(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch:
        def add(self, step: int, seconds: float) -> SlowPhase | None:
            return SlowPhase(step, seconds, 4.0) if step == 2 else None

    monkeypatch.setattr("studio.training.fit.SlowdownWatch", Watch)
    recorder = engine.Recorder()
    engine.fit("run", recorder, steps=3)
    assert len(recorder.warnings) == 1
    assert "since step 2, 4.0 times as long as at first" in recorder.warnings[0]
