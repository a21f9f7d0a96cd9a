"""Whole runs through the real command, on the shipped base model and the shipped pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Studio = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """A terminal without colours, offline; one thread, for another file's tests have the other core."""
    terminal = {"NO_COLOR": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **terminal, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def studio() -> Studio:
    """Run ``studio ARGUMENTS``; nothing is raised for, so that exit codes can be looked at."""

    def call(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "studio", *map(str, arguments)],
            cwd=cwd,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return call


@dataclass(frozen=True)
class DemoRun:
    """What ``studio demo`` left behind."""

    folder: Path

    @property
    def adapter(self) -> Path:
        return self.folder / "adapter" / f"{self.folder.name}.safetensors"

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "report.json").read_text("utf-8"))
        return content


@pytest.fixture(scope="session")
def demo(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The demo, once for all tests that look at it; measured on fewer and quicker pictures."""
    runs = tmp_path_factory.mktemp("runs")
    quicker = (
        "sampling.num_inference_steps=12",
        "evaluation.drift_prompts=[dog, house]",
        "precision.num_threads=1",
    )
    done = studio("demo", "--runs", runs, *(word for q in quicker for word in ("--set", q)))
    assert done.returncode == 0, done.stderr
    return DemoRun(runs / "demo")
