from __future__ import annotations

import os
from pathlib import Path

from studio.queue.log import MAX_BYTES, Log


def test_the_error_is_the_newest_trainers(tmp_path: Path) -> None:
    log = Log(tmp_path / "job" / "log.txt")
    assert (log.text(), log.error()) == ("", None)
    for lines in ("note\nerror: first\nerror: second\n", "all is well\n"):
        descriptor = log.open("studio train x.yaml")
        os.write(descriptor, lines.encode())
        os.close(descriptor)
        if "error" in lines:
            assert log.error() == "second"
    assert log.error() is None
    assert log.text().count("==> studio train x.yaml") == 2


def test_it_stays_small_while_it_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt")
    descriptor = log.open("studio train x.yaml")
    for number in range(5 * MAX_BYTES // 10_000):
        os.write(descriptor, b"x" * 9_000 + f" {number}\n".encode())
        log.shorten()
        assert log.path.stat().st_size <= MAX_BYTES
    os.write(descriptor, b"the end\n")
    os.close(descriptor)
    assert log.text().splitlines()[-1] == "the end"
    assert set(log.text().splitlines()[0][:9_000]) == {"x"}
