"""How fast this machine computes: a second of small problems of training's kind, remembered."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from studio import atomic
from studio.machine import cpu_name, gpu_names
from studio.planning.counting import Counter
from studio.planning.work import Pace
from studio.user_cache import cache_folder

_VERSION = 1
_SECONDS = 0.25  # for each kind of work


def measured_pace(device: torch.device, number_format: torch.dtype, threads: int) -> Pace:
    """The machine's pace, measured when first asked for, then remembered.

    Args:
        number_format: of the forward pass.
        threads: of torch on the processor, as the run will have.
    """
    where = [cpu_name(), *gpu_names(), device.type, str(number_format), threads, torch.__version__]
    key = hashlib.sha256(json.dumps([_VERSION, *where]).encode()).hexdigest()[:32]
    remembered = cache_folder() / "pace" / f"{key}.json"
    # The cache only saves time: where it cannot be read or written, the machine is measured again.
    with suppress(OSError, ValueError, TypeError):
        return Pace(**json.loads(remembered.read_text("utf-8")))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        pace = _measure(device, number_format)
    finally:
        torch.set_num_threads(before)
    with suppress(OSError):
        atomic.write_json(remembered, asdict(pace))
    return pace


@torch.no_grad()
def _measure(device: torch.device, number_format: torch.dtype) -> Pace:
    """Shapes from the middle of a U-Net, where most of its work is."""
    big = 16 if device.type == "cuda" else 1
    kind: dict[str, Any] = {"device": device, "dtype": number_format}
    rows, width, side = 1024 * big, 640, 32
    left, right = torch.ones(rows, width, **kind), torch.ones(width, width, **kind)
    pictures = torch.ones(big, 320, side, side, **kind)
    convolution = nn.Conv2d(320, 320, 3, padding=1, bias=False, **kind)
    numbers = torch.ones(4_000_000 * big, **kind)
    per_second = {
        "matmul_flops": (lambda: left @ right, 2 * rows * width * width),
        "conv_flops": (lambda: convolution(pictures), 2 * big * side**2 * 320 * 320 * 9),
        "moved_bytes": (lambda: numbers + 1, 2 * numbers.numel() * numbers.element_size()),
        "calls": _small_step(device),
    }
    return Pace(**{name: _rate(*problem, device) for name, problem in per_second.items()})


def _small_step(device: torch.device) -> tuple[Callable[[], Any], int]:
    """A training step in which nothing takes time but the calling; and its calls."""
    layers = [m for _ in range(8) for m in (nn.Linear(8, 8), nn.SiLU(), nn.LayerNorm(8))]
    network = nn.Sequential(*layers).to(device)
    given = torch.ones(1, 8, device=device)

    def step() -> None:
        with torch.enable_grad():
            network(given).sum().backward()

    with Counter(device.type) as counter:
        step()
    return step, int(counter.work.calls)


def _rate(problem: Callable[[], Any], amount: int, device: torch.device) -> float:
    problem()
    _wait(device)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS:
        problem()
        done += 1
        _wait(device)
    return amount * done / (time.perf_counter() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
