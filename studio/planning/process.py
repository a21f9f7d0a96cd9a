"""What the process and the machine say of memory."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import psutil
import torch

MIB = 1 << 20
_LIBRARIES = ("studio.session", "peft", "bitsandbytes")
_GROUP_LIMITS = (  # of a container: version 2 and 1 of Linux's control groups
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)

RUNTIME_BYTES = {"cpu": 125 * MIB, "cuda": 512 * MIB}
"""What comes with computing. On a processor the kernels that oneDNN and MKL make for the shapes at hand and
keep; measured by benchmarks/memory_prediction.py. On a GPU CUDA's context and the workspaces of cuBLAS and
cuDNN, usually 0.4 to 0.6 GiB."""

ALLOCATOR_SHARE = {"cpu": 0.02, "cuda": 0.05}
"""What an allocator holds beyond what is alive: pages and blocks in pieces that fit nothing."""


def process_bytes(device: torch.device) -> int:
    """What a run takes before any model is loaded, and what computing takes beside tensors."""
    if device.type == "cuda":
        return RUNTIME_BYTES["cuda"]
    for name in _LIBRARIES:
        import_module(name)
    return resident_bytes() + RUNTIME_BYTES["cpu"]


def resident_bytes() -> int:
    """Memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


def available_bytes(device: torch.device) -> int:
    """What a run may take on the device, this process included."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    free = psutil.virtual_memory().available
    return min([free, *_left_to_the_container()]) + resident_bytes()


def _left_to_the_container() -> list[int]:
    left = []
    for limit, used in _GROUP_LIMITS:
        try:
            left.append(int(Path(limit).read_text("ascii")) - int(Path(used).read_text("ascii")))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return left
