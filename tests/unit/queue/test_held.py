from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studio.queue import held

HOLD = """
import sys, time
from pathlib import Path
from studio.queue import held
assert held.hold(Path(sys.argv[1])) is not None
print("ready", flush=True)
time.sleep(60)
"""
BECOME = """
import os, sys
from pathlib import Path
from studio.queue import held
os.set_inheritable(held.hold(Path(sys.argv[1])), True)
os.execv(sys.executable, [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"])
"""


def test_a_lock_goes_with_its_process(tmp_path: Path, elsewhere) -> None:
    path = tmp_path / "lock"
    assert not held.is_held(path)
    process = elsewhere(HOLD, path)
    assert held.is_held(path)
    assert held.hold(path) is None
    process.kill()
    process.wait()
    assert not held.is_held(path)


def test_a_lock_stays_with_what_its_process_becomes(tmp_path: Path, elsewhere) -> None:
    path = tmp_path / "lock"
    process = elsewhere(BECOME, path)
    assert held.is_held(path)
    process.kill()
    # Not waited for: a zombie holds nothing.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not held.is_held(path)


def test_many_may_ask_and_none_is_taken_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: held.is_held(path), range(2000)))
        asking = [pool.submit(held.is_held, path) for _ in range(2000)]
        descriptor = held.hold(path)
        assert descriptor is not None
        assert held.is_held(path)
    os.close(descriptor)
    assert len(asking) == 2000
