"""The plugin guide's example, installed as a package from elsewhere, is held to the same contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-plugin"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the example is installed beside the studio, as ``pip install`` would."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)]
    subprocess.run(command, check=True, capture_output=True)
    return os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}


def test_it_fulfils_the_contract(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-k", "bias_only", "-p", "no:cacheprovider"]
    contract = "tests/contract/test_trainer_contract.py"
    done = subprocess.run(
        [*command, contract], check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_a_recipe_trains_exports_and_previews_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    source = ROOT / "datasets" / "mascot"
    command = [sys.executable, "-m", "studio", "train", "--dataset", str(source)]
    command += ["--method", "bias_only", "--trigger", "mascot", "--name", "biases", "--steps", "4"]
    command += ["--set", "evaluation.enabled=false", "--set", "sampling.num_inference_steps=2"]
    command += ["--set", "validation.enabled=false", "--set", "sampling.seeds=[0]"]
    done = subprocess.run(
        [*command, "--runs", str(tmp_path / "runs"), "--json"],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = json.loads(done.stdout)["adapter"]
    assert Path(file).name == "biases.safetensors"
    assert Path(file).stat().st_size < 100_000
    assert (tmp_path / "runs" / "biases" / "samples" / "preview.png").is_file()


def test_the_studio_lists_it_and_helps_with_it(environment: dict[str, str]) -> None:
    def studio(*arguments: str) -> str:
        command = [sys.executable, "-m", "studio", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "bias_only" in studio("trainers", "list")
    assert "Whose biases learn" in studio("trainers", "show", "bias_only")
