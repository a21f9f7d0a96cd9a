from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.cli.entry import exit_code
from studio.compare import compare
from studio.contender import Contender, table
from studio.errors import UserError
from studio.evaluation.copying import CopyingResult
from studio.evaluation.drift import DriftResult
from studio.evaluation.effect import EffectResult
from studio.evaluation.result import EvaluationReport
from studio.evaluation.style import StyleResult
from studio.recipe import Recipe, yaml_text
from studio.recipe.loading import recipe_from_dict
from studio.recipe.starter import with_method
from studio.reporter import Reporter
from studio.run_folder import RunFolder

REPORT = EvaluationReport(
    adapter_name="icons",
    base_name="pocket",
    strength=1.0,
    prompts=("a cat", "a dog"),
    seeds=(0,),
    num_pictures=2,
    num_held_out=2,
    num_training=8,
    style=StyleResult(4.0, 1.6, 0.3, 0.6, (0.55, 0.64), {"palette": (4.0, 1.6)}),
    following=None,
    effect=EffectResult(0.12, 0.0),
    copying=CopyingResult(1.0, 0.95, False, 0.1, 1, 1),
    seconds=1.0,
    verdict="fine",
    drift=DriftResult(0.06, 0.5, ("a house",)),
)
CONTENDER = Contender("lora", "icons-lora", 300, 61.4, 700 * 2**20, 300 * 1024, REPORT)


def recipe(source: str = "pictures", **sections: object) -> Recipe:
    content = {
        "name": "icons",
        "dataset": {"source": source, "trigger": "zorp"},
        "trainer": {"kind": "lora", "rank": 4},
        "optimizer": {"train_batch_size": 3, "learning_rate": 5e-4},
        "budget": {"steps": 50},
    }
    return recipe_from_dict(content | sections)


def test_the_table_has_a_row_for_each_and_a_dash_for_what_was_not_measured() -> None:
    word = replace(CONTENDER, method="textual_inversion", file_bytes=3 * 2**20)
    heading, rule, first, second = table([CONTENDER, word])
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        *("lora", "300", "61 s", "700 MiB", "300 KiB", "12.0%", "+60%", "-", "-", "50%")
    ]
    assert "3.0 MiB" in second
    assert set(rule) == set("|- ")
    assert len({len(line) for line in (heading, rule, first, second)}) == 1


def test_hardly_anything_is_no_less_than_nothing() -> None:
    hardly = replace(REPORT, style=replace(REPORT.style, relative_fall=-0.001))
    row = table([replace(CONTENDER, report=hardly)])[2]
    assert [cell.strip() for cell in row.split("|")][7] == "+0%"


def test_a_resumed_runs_training_is_all_its_stretches_together(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "icons")
    run.write_recipe(recipe().with_text(yaml_text.dump(recipe().model_dump(mode="json"))))
    run.adapter.mkdir()
    save_file({"x.lora_down.weight": np.zeros((1, 1))}, run.adapter / "icons.safetensors")
    happened = [
        *((100.0, "training_started"), (101.0, "step"), (160.0, "step"), (165.0, "checkpoint")),
        *((900.0, "training_started"), (902.0, "step")),  # stopped at once
        *((950.0, "training_started"), (970.0, "step"), (980.0, "training_ended")),
    ]
    lines = (json.dumps({"time": time, "event": name, "step": 30}) for time, name in happened)
    run.events.path.write_text("\n".join([*lines, ""]))
    assert Contender.of(run).training_seconds == 60 + 2 + 30


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (recipe("others"), "differ in dataset.source"),
        (recipe(base_model="/models/sd15"), "differ in base_model"),
        (recipe(evaluation={"enabled": False}), "evaluation.enabled is false"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    other: Recipe, told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        compare([recipe(), other], tmp_path / "out", runs=tmp_path / "runs", reporter=Reporter())
    assert not list(tmp_path.iterdir())


def test_another_method_gets_the_set_the_time_and_the_batch_and_settings_of_its_own() -> None:
    other = with_method(recipe(), "hypernetwork")
    assert other.name == "icons-hypernetwork"
    assert other.trainer.kind == "hypernetwork"
    assert (other.dataset, other.budget) == (recipe().dataset, recipe().budget)
    assert other.optimizer.train_batch_size == 3
    assert other.optimizer.learning_rate == 1e-3  # the plugin's own starting point on pocket


def test_the_recipes_own_method_keeps_its_settings() -> None:
    same = with_method(recipe(), "lora", ["budget.steps=7"])
    assert same.trainer == recipe().trainer
    assert same.optimizer == recipe().optimizer
    assert same.budget.steps == 7


def test_methods_go_with_one_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", "a.yaml", "b.yaml", "--methods", "lora"]) == 2
    assert "--methods goes with one recipe, but 2 were given" in capsys.readouterr().err
