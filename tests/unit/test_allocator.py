"""In processes of their own, for the setting is a whole process's."""

from __future__ import annotations

import subprocess
import sys

import pytest

KEPT_MIB = """
import sys
import psutil, torch
from studio.allocator import return_freed_memory

if sys.argv[1] == "ours":
    return_freed_memory()
torch.ones(7 << 20)  # 28 MiB, freed at once: glibc now takes smaller pieces from its heap
before = psutil.Process().memory_info().rss
kept, freed = [], []
for _ in range(20):  # in turn, so that what is freed lies between what is kept
    freed.append(torch.ones(4 << 20))
    kept.append(torch.ones(1 << 14))
del freed
print((psutil.Process().memory_info().rss - before) >> 20)
"""


def kept_mib(whose: str) -> int:
    command = [sys.executable, "-c", KEPT_MIB, whose]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_large_pieces_go_back_when_they_are_freed() -> None:
    assert kept_mib("ours") < 30
    assert kept_mib("glibc's") > 200, "glibc does it on its own: studio.allocator can go"
