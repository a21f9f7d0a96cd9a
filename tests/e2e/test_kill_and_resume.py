"""A run that is killed at any moment and resumed ends in the same bytes as one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.recipe import load_recipe
from studio.run import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STEPS = 9
RECIPE = f"""
name: killed
seed: 7
dataset:
  source: {ROOT / "datasets" / "mascot"}
  trigger: zorp
  flip_probability: 0.5
trainer: {{kind: lora, rank: 4, dropout: 0.1}}
budget: {{steps: {STEPS}}}
optimizer: {{learning_rate: 1e-3, train_batch_size: 2, gradient_accumulation_steps: 2, ema_decay: 0.9}}
checkpoint: {{every_steps: 2}}
precision: {{num_threads: 1}}
sampling: {{prompts: [zorp], seeds: [0], num_inference_steps: 2, every_steps: 5}}
evaluation: {{enabled: false}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, "utf-8")
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "studio", *map(str, arguments)]


def steps_done(folder: Path) -> int:
    events = folder / "events.jsonl"
    return events.read_text("utf-8").count('"event": "step"') if events.exists() else 0


def kill_at(step: int, arguments: list[str], folder: Path) -> None:
    """Start a command and send SIGKILL once the run has done that many steps."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=quiet, stderr=quiet, env=os.environ)
    try:
        deadline = time.monotonic() + 240
        while steps_done(folder) < step and process.poll() is None:
            assert time.monotonic() < deadline, "the run does not get on"
            time.sleep(0.02)
        assert process.poll() is None, f"the run ended before step {step}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_sigkill_at_a_random_step_and_resume_ends_in_the_same_bytes(
    recipe: Path, tmp_path: Path
) -> None:
    step = random.SystemRandom().randrange(1, STEPS - 4)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run(load_recipe(recipe), runs=straight)

    kill_at(step, command("train", recipe, "--runs", killed), killed / "killed")
    resume = command("resume", "killed", "--runs", killed)
    kill_at(step + 3, resume, killed / "killed")
    subprocess.run(resume, cwd=ROOT, check=True)

    one = (straight / "killed" / "adapter" / "killed.safetensors").read_bytes()
    two = (killed / "killed" / "adapter" / "killed.safetensors").read_bytes()
    assert one == two, f"killed at steps {step} and {step + 3}"
