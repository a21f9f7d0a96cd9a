from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.planning import probe
from studio.planning.work import Pace

MEASURED, LATER = Pace(1.0, 2.0, 3.0, 4.0), Pace(5.0, 6.0, 7.0, 8.0)


@pytest.mark.parametrize(("busy_percent", "then"), [(3.0, MEASURED), (90.0, LATER)])
def test_a_pace_is_remembered_only_where_nobody_else_was_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy_percent: float, then: Pace
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(probe.psutil, "cpu_percent", lambda _: busy_percent)
    paces = iter((MEASURED, LATER))
    monkeypatch.setattr(probe, "_measure", lambda *_: next(paces))
    asked = (torch.device("cpu"), torch.float32, 1)
    assert probe.measured_pace(*asked) == MEASURED
    assert probe.measured_pace(*asked) == then


def test_a_measured_pace_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(probe, "_SECONDS", 0.01)
    pace = probe.measured_pace(torch.device("cpu"), torch.float32, 1)
    assert pace.matmul_flops > 1e8
    assert pace.conv_flops > 1e8
    assert pace.moved_bytes > 1e7
    assert pace.calls > 10
