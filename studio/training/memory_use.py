"""How much memory is in use, and how much was at the most."""

from __future__ import annotations

import sys

import psutil
import torch

GB = 1e9


def start_measuring(device: torch.device) -> None:
    """Forget the GPU's earlier peak. A process's cannot be forgotten."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far.

    On a GPU by tensors, since `start_measuring`; else by the whole process, since it began.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # not there on Windows

    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_in_use(device: torch.device) -> str:
    """Memory as it is now, in words: the GPU's, or else the machine's."""
    if device.type == "cuda":
        allocated, reserved = (
            torch.cuda.memory_allocated(device),
            torch.cuda.memory_reserved(device),
        )
        free, total = torch.cuda.mem_get_info(device)
        return (
            f"{allocated / GB:.1f} GB in tensors, {reserved / GB:.1f} GB reserved, "
            f"{free / GB:.1f} of {total / GB:.1f} GB free"
        )
    memory = psutil.virtual_memory()
    return f"{memory.available / GB:.1f} of {memory.total / GB:.1f} GB free"
