from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio import planning
from studio.cli.entry import exit_code
from studio.planning import Plan, Stage

ROOT = Path(__file__).resolve().parents[3]
RECIPE = str(ROOT / "recipes/pocket_lora_flat-icons.yaml")


@pytest.mark.usefixtures("no_rehearsal")
def test_a_recipe_is_planned_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["doctor", "--recipe", RECIPE, "--set", "precision.num_threads=1", "--json"]
    assert exit_code(command) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["fits"] is True
    assert plan["steps"] == 300
    stages = {stage["name"]: stage["bytes"] for stage in plan["stages"]}
    assert 0 < stages["training step"] < 1 << 30
    assert plan["peak_bytes"] == plan["process_bytes"] + max(stages.values())


@pytest.mark.usefixtures("no_rehearsal")
def test_a_gpu_and_a_base_that_are_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(ROOT / "recipes/sdxl_lora_subject_8gb.yaml")
    assert exit_code(["doctor", "--recipe", recipe, "--gpu-memory", "8", "--json"]) == 0
    printed = capsys.readouterr()
    assert "xl-base-1.0 is not on this machine; planned by its published" in printed.err
    plan = json.loads(printed.out)
    assert (plan["device"], plan["available_bytes"]) == ("cuda", 8 << 30)
    assert plan["seconds"] is None


def test_what_will_not_fit_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Plan((Stage("training step", 2 << 30, 1.0),), 0, 0, 1 << 30, "cpu", 1, 1.0)
    monkeypatch.setattr(planning, "make_plan", lambda *_, **__: full)
    assert exit_code(["doctor", "--recipe", RECIPE]) == 2
    printed = capsys.readouterr()
    assert "training step" in printed.out
    assert printed.err.splitlines() == [
        "error: will not fit: peak 2.0 GiB of 1.0 GiB in training step; "
        "use a machine with more memory, or a smaller base model"
    ]


@pytest.mark.parametrize("option", [["--set", "seed=1"], ["--gpu-memory", "8"]])
def test_what_is_said_of_a_run_needs_a_recipe(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["doctor", *option]) == 2
    assert "--gpu-memory need --recipe" in capsys.readouterr().err
