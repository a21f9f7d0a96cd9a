"""Is this machine ready? Every check says what it found and, where it matters, what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import psutil

from studio import machine
from studio.errors import StudioError

GIB = 1 << 30
LEAST_DISK_GIB = 2
LEAST_MEMORY_GIB = 4
PYTHONS = ((3, 11), (3, 14))


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        name: what, e.g. ``free disk``.
        found: in one line.
        ok: whether the studio can work with it.
        advice: what to do; empty where all is well.
    """

    name: str
    found: str
    ok: bool = True
    advice: str = ""


def diagnose(runs: Path) -> list[Diagnosis]:
    """Look at Python, packages, processor, GPU, disk, memory, base model, trainers and ``runs``."""
    checks: list[Callable[[], Diagnosis]] = [
        _python,
        _packages,
        _processor,
        _gpu,
        lambda: _disk(runs),
        _memory,
        _pocket,
        _trainers,
        lambda: _writable(runs),
    ]
    return [check() for check in checks]


def _python() -> Diagnosis:
    found, (least, beyond) = sys.version_info[:2], PYTHONS
    ok = least <= found < beyond
    advice = "" if ok else f"install Python {least[0]}.{least[1]} and make a new environment"
    return Diagnosis("python", machine.packages()["python"], ok, advice)


def _packages() -> Diagnosis:
    found = {name: version for name, version in machine.packages().items() if name != "python"}
    missing = [name for name, version in found.items() if version == "missing"]
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    advice = f"install {', '.join(missing)}, or run `make setup` again" if missing else ""
    return Diagnosis("packages", listed, not missing, advice)


def _processor() -> Diagnosis:
    cores = psutil.cpu_count(logical=False) or 1
    try:
        threads = f"{machine.hardware()['threads']} torch threads"
    except ImportError as error:
        return Diagnosis("processor", machine.cpu_name(), False, f"torch is broken: {error}")
    return Diagnosis("processor", f"{machine.cpu_name()}, {cores} cores, {threads}")


def _gpu() -> Diagnosis:
    try:
        names = machine.gpu_names()
    except ImportError:
        return Diagnosis("gpu", "unknown, for torch cannot be imported", False, "install torch")
    return Diagnosis("gpu", ", ".join(names) or "none; the base model pocket needs none")


def _disk(runs: Path) -> Diagnosis:
    folder = next(p for p in (runs.absolute(), *runs.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free / GIB
    ok = free >= LEAST_DISK_GIB
    advice = "" if ok else f"make room: checkpoints and samples want {LEAST_DISK_GIB} GiB"
    return Diagnosis("free disk", f"{free:.1f} GiB at {folder}", ok, advice)


def _memory() -> Diagnosis:
    memory = psutil.virtual_memory()
    found = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free"
    ok = memory.total / GIB >= LEAST_MEMORY_GIB
    advice = "" if ok else f"use a machine with {LEAST_MEMORY_GIB} GiB or more"
    return Diagnosis("memory", found, ok, advice)


def _pocket() -> Diagnosis:
    from studio.bases.identity import identify_base

    try:
        pocket = identify_base("pocket")
    except StudioError as error:
        return Diagnosis("pocket", "not usable", False, str(error))
    return Diagnosis("pocket", f"{pocket.resolution_px} px, {pocket.digest[:12]}")


def _trainers() -> Diagnosis:
    from studio.registry import plugins

    try:
        kinds = list(plugins())
    except (StudioError, ImportError) as error:
        return Diagnosis("trainers", "not usable", False, str(error))
    advice = "" if kinds else "install adapter-studio again: its entry points are missing"
    return Diagnosis("trainers", ", ".join(kinds) or "none", bool(kinds), advice)


def _writable(runs: Path) -> Diagnosis:
    folder = next(p for p in (runs.absolute(), *runs.absolute().parents) if p.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        advice = "choose another folder with --runs"
        return Diagnosis("runs folder", f"{folder}: {error.strerror}", False, advice)
    return Diagnosis("runs folder", f"{runs} can be written")
