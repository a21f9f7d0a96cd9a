from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio import doctor, machine
from studio.errors import BaseModelError


def by_name(runs: Path) -> dict[str, doctor.Diagnosis]:
    return {d.name: d for d in doctor.diagnose(runs)}


def test_everything_is_looked_at(tmp_path: Path) -> None:
    found = by_name(tmp_path / "runs")
    assert list(found) == [
        "python",
        "packages",
        "processor",
        "gpu",
        "free disk",
        "memory",
        "pocket",
        "trainers",
        "runs folder",
    ]
    assert "torch 2" in found["packages"].found
    assert "torch threads" in found["processor"].found
    assert "lora" in found["trainers"].found
    assert not (tmp_path / "runs").exists()


def test_what_is_broken_comes_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pocket(_: str) -> None:
        raise BaseModelError("pocket is torn; fetch it anew")

    monkeypatch.setattr("studio.bases.identity.identify_base", no_pocket)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    monkeypatch.setattr(machine, "DISTRIBUTIONS", ("torch", "no-such-package"))
    monkeypatch.setattr(doctor, "PYTHONS", ((4, 0), (4, 2)))
    found = by_name(tmp_path)
    assert {n: d.advice for n, d in found.items() if not d.ok} == {
        "python": "install Python 4.0 and make a new environment",
        "packages": "install no-such-package, or run `make setup` again",
        "free disk": "make room: checkpoints and samples want 2 GiB",
        "pocket": "pocket is torn; fetch it anew",
    }


def test_a_folder_that_cannot_be_written_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "TemporaryFile", refuse)
    found = by_name(tmp_path)["runs folder"]
    assert (found.ok, found.found) == (False, f"{tmp_path}: Permission denied")
    assert found.advice == "choose another folder with --runs"


def test_hardware_says_what_a_result_was_computed_on() -> None:
    found = machine.hardware()
    assert found["cpu"]
    assert isinstance(found["threads"], int)
