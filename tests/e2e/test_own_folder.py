"""Training on one's own folder without writing a recipe."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studio.recipe import load_recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_and_a_trigger_are_enough(studio, tmp_path: Path) -> None:
    pictures = tmp_path / "my pictures"
    shutil.copytree(ROOT / "datasets" / "mascot", pictures)
    before = {p.name: p.read_bytes() for p in pictures.iterdir()}

    done = studio(
        *("train", "--dataset", pictures, "--trigger", "my style", "--steps", "4"),
        *("--set", "sampling.num_inference_steps=2", "--set", "evaluation.prompts=2"),
        *("--set", "sampling.seeds=[0]", "--set", "evaluation.seeds=[0]"),
        *("--runs", tmp_path / "runs"),
    )

    assert done.returncode == 0, done.stderr
    assert "planned: peak " in done.stderr.partition("preparing pictures")[0]
    (run,) = [p for p in (tmp_path / "runs").iterdir() if not p.name.startswith(".")]
    recipe = load_recipe(run / "recipe.yaml")
    assert recipe.dataset.trigger == "my style"
    assert list((run / "adapter").glob("*.safetensors"))
    assert {p.name: p.read_bytes() for p in pictures.iterdir()} == before
