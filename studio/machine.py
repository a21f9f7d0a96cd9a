"""Facts of the machine and of the packages that computed a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

DISTRIBUTIONS = (
    "adapter-studio",
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "numpy",
    "pillow",
)


def packages() -> dict[str, str]:
    """Versions of Python and of what a result depends on; "missing" where it is not installed."""
    return {"python": platform.python_version()} | {d: _version(d) for d in DISTRIBUTIONS}


def hardware() -> dict[str, str | int | None]:
    """Processor, cores, threads and GPUs, as far as they are known. Imports torch."""
    import torch

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "physical_cores": psutil.cpu_count(logical=False),
        "threads": torch.get_num_threads(),
        "gpu": ", ".join(gpu_names()) or None,
    }


def idle_cores() -> int:
    """Physical cores that nothing else keeps busy at the moment, at least one.

    torch's threads wait for each other at every layer, so one that shares its core with another
    process holds up all: two threads beside a busy process are far slower than one.
    """
    cores = psutil.cpu_count(logical=False) or 1
    busy = psutil.cpu_percent(interval=0.3) / 100 * (psutil.cpu_count() or 1)
    return max(1, cores - round(busy))


def cpu_name() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def gpu_names() -> list[str]:
    """The GPUs that torch can use, by name. Imports torch."""
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "missing"
