"""How fast this machine computes: a second of small problems of training's kind, remembered."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from math import inf
from typing import Any

import psutil
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from studio import atomic
from studio.bases.source import POCKET_FOLDER
from studio.machine import cpu_name, gpu_names
from studio.planning.counting import Counter
from studio.planning.work import Pace
from studio.user_cache import cache_folder

_VERSION = 2
_SECONDS = 0.25  # for each kind of work
_BUSY_PERCENT = 25.0  # of all cores, while this process waits


def measured_pace(device: torch.device, number_format: torch.dtype, threads: int) -> Pace:
    """The machine's pace, measured when first asked for, then remembered: unless others were at work, for
    then it is true of that moment alone.

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
    is_quiet = psutil.cpu_percent(_SECONDS) < _BUSY_PERCENT
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        pace = _measure(device, number_format)
    finally:
        torch.set_num_threads(before)
    if is_quiet:
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
    problems: dict[str, tuple[Callable[[], Any], float]] = {
        "matmul_flops": (lambda: left @ right, 2.0 * rows * width * width),
        "conv_flops": (lambda: convolution(pictures), 2.0 * big * side**2 * 320 * 320 * 9),
        "moved_bytes": (lambda: numbers + 1, 2.0 * numbers.nbytes),
    }
    rates = {
        name: amount / _seconds(problem, device) for name, (problem, amount) in problems.items()
    }
    return Pace(**rates, calls=_calls_per_second(Pace(**rates, calls=inf), device))


def _calls_per_second(fast: Pace, device: torch.device) -> float:
    """By a training step of pocket's U-Net, random: what it takes beyond its work, shared among its calls.

    Args:
        fast: the machine's pace if calls took no time.
    """
    model: Any = UNet2DConditionModel
    unet = model.from_config(model.load_config(POCKET_FOLDER / "unet"))
    unet.to(device).requires_grad_(False)
    side, width = unet.config.sample_size, unet.config.cross_attention_dim
    latents = torch.ones(4, 4, side, side, device=device, requires_grad=True)
    text, timestep = torch.ones(4, 77, width, device=device), torch.zeros(4, device=device)

    def step() -> None:
        with torch.enable_grad():
            unet(latents, timestep, text).sample.sum().backward()

    with Counter(device.type, by_onednn=device.type == "cpu") as counter:
        step()
    taken = _seconds(step, device)
    beyond = max(taken - fast.seconds(counter.work), taken / 10)
    return float(counter.work.calls / beyond)


def _seconds(problem: Callable[[], Any], device: torch.device) -> float:
    problem()
    _wait(device)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS:
        problem()
        done += 1
        _wait(device)
    return (time.perf_counter() - started) / done


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
