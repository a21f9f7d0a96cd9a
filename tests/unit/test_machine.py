"""Threads that fit the machine's state."""

from __future__ import annotations

import psutil
import pytest

from studio import machine


@pytest.mark.parametrize(
    ("physical", "logical", "busy_percent", "expected"),
    [(2, 2, 0, 2), (2, 2, 50, 1), (2, 2, 100, 1), (8, 16, 25, 4), (None, 4, 0, 1)],
)
def test_idle_cores(
    monkeypatch: pytest.MonkeyPatch,
    physical: int | None,
    logical: int,
    busy_percent: float,
    expected: int,
) -> None:
    count = {True: logical, False: physical}
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: count[logical])
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: busy_percent)
    assert machine.idle_cores() == expected
