"""Each method's own recipe learns its sample set on the shipped base, by a margin, in a short run.

One thread a run: another file's tests have the other core.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.recipe import load_recipe
from studio.run import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # four runs in one fixture

ROOT = Path(__file__).resolve().parents[2]
SUBJECT = "pocket_dreambooth_mascot.yaml"
RUNS: dict[str, tuple[str, list[str]]] = {
    "unguarded": (SUBJECT, ["budget.steps=30", "trainer.prior=none"]),
    "output": (SUBJECT, ["budget.steps=30", "trainer.prior=output"]),
    "word": ("pocket_textual-inversion_mascot.yaml", ["budget.steps=80"]),
    "hypernetwork": ("pocket_hypernetwork_flat-icons.yaml", ["budget.steps=60"]),
}
SHORTER = [
    "precision.num_threads=1",
    "validation.enabled=false",
    "sampling.num_inference_steps=10",
    "sampling.seeds=[0]",
    "sampling.prompts=[house]",  # the preview is looked at by nobody here
    "evaluation.prompts=8",
    "evaluation.seeds=[0]",
    "evaluation.drift_prompts=[dragon, cat face, house]",
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each run says of its exported file, by the name of the run."""
    runs = tmp_path_factory.mktemp("runs")

    def train(name: str) -> dict[str, Any]:
        recipe, changes = RUNS[name]
        folder = run(load_recipe(ROOT / "recipes" / recipe, [*SHORTER, *changes]), runs=runs / name)
        content: dict[str, Any] = json.loads(folder.report_path.read_text("utf-8"))
        return content

    return {name: train(name) for name in RUNS}


@pytest.mark.parametrize("name", ["unguarded", "output", "word"])
def test_the_subject_is_learned(reports: dict[str, dict[str, Any]], name: str) -> None:
    """Pictures go at least a quarter of the way from what the base makes of the word to the subject."""
    assert reports[name]["fidelity"]["relative_gain"] >= 0.25, reports[name]["fidelity"]


@pytest.mark.parametrize("name", ["unguarded", "output", "word"])
def test_a_subject_in_other_scenes_is_still_told_apart(
    reports: dict[str, dict[str, Any]], name: str
) -> None:
    following = reports[name]["following"]
    assert following["adapter"]["top1"] >= 3 * following["chance"]["top1"], following


def test_a_prior_keeps_what_is_not_the_subject(reports: dict[str, dict[str, Any]]) -> None:
    """The class's own prompt is among those whose change is measured."""
    kept, unguarded = (reports[n]["drift"]["mean_change"] for n in ("output", "unguarded"))
    assert kept <= 0.9 * unguarded


def test_a_word_changes_no_prompt_without_it(reports: dict[str, dict[str, Any]]) -> None:
    assert reports["word"]["drift"]["mean_change"] == 0


def test_the_hypernetwork_learns_the_style(reports: dict[str, dict[str, Any]]) -> None:
    assert reports["hypernetwork"]["style"]["relative_fall"] >= 0.30, reports["hypernetwork"]
