"""The repository's layout: what must not be where, and why."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}
OWN = ("studio", "trainers", "tests", "benchmarks", "sample_sets", "datasets", "docs", "recipes")


def own_files(pattern: str) -> list[Path]:
    return [p for room in OWN for p in sorted((ROOT / room).rglob(pattern))]


def test_datasets_holds_data_only() -> None:
    """A Python file there would shadow Hugging Face's package of that name in some launchers."""
    assert not list((ROOT / "datasets").rglob("*.py"))


def test_nothing_else_is_called_datasets() -> None:
    folders = [p for p in own_files("datasets") if p != ROOT / "datasets"]
    assert not folders + own_files("datasets.py")


def test_the_wheel_holds_two_packages() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert config["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "studio",
        "trainers",
    ]


def test_tests_are_no_packages() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_no_drawer_for_odds_and_ends() -> None:
    assert not [p for p in own_files("*.py") if p.name in FORBIDDEN_NAMES]


def test_no_room_is_empty() -> None:
    """A folder of ours holds a file that says something."""
    for room in (ROOT / "studio").iterdir():
        if room.is_dir() and room.name != "__pycache__":
            files = [p for p in room.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
            assert any(p.stat().st_size for p in files), f"{room} is empty"


def test_import_datasets_is_not_ours_whatever_the_launcher() -> None:
    """Run from the repository root, where ``datasets/`` lies in the first entry of ``sys.path``."""
    code = "import importlib.util as u; s = u.find_spec('datasets'); print(s and s.origin)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert not found.startswith(str(ROOT / "datasets"))


def test_no_tracked_file_is_larger_than_16_mib() -> None:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    large = [n for n in names if n and (ROOT / n).exists() and (ROOT / n).stat().st_size > 2**24]
    assert not large
