from __future__ import annotations

import sys

import psutil
import pytest
import torch

from studio.allocator import return_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_large_pieces_go_back_when_they_are_freed() -> None:
    return_freed_memory()
    process = psutil.Process()
    before = process.memory_info().rss
    kept, freed = [], []
    for _ in range(20):  # in turn, so that what is freed lies between what is kept
        kept.append(torch.ones(1 << 16))
        freed.append(torch.ones(4 << 20))
    assert process.memory_info().rss > before + (250 << 20)
    del freed
    assert process.memory_info().rss < before + (50 << 20)
