from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from studio.cli.entry import exit_code


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def studio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run a command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STUDIO_DEBUG", raising=False)

    def run(*arguments: object) -> Outcome:
        code = exit_code([str(a) for a in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def studio_process(tmp_path: Path) -> Callable[..., Outcome]:
    """Run a command as a user does: a process of its own."""

    def run(*arguments: object, **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "studio", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """With a folder of one picture, which is enough for a look."""
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "one.png")
    path = tmp_path / "demo.yaml"
    path.write_text("name: demo\ndataset: {source: pictures}\ntrainer: {kind: lora}\n")
    return path
