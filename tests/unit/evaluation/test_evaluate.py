from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.bases.base_model import BaseModel
from studio.curation.manifest import CuratedSet
from studio.curation.settings import CaptionSettings
from studio.errors import BaseModelError, DatasetError
from studio.evaluation import evaluate as evaluation
from studio.evaluation.evaluate import clip_folder, evaluate, evaluation_prompts
from studio.evaluation.measure import measure
from studio.evaluation.result import EvaluationReport
from studio.evaluation.settings import EvaluationSettings
from studio.preview.comparison import Comparison, Series
from studio.preview.settings import SamplingSettings

Draw = Callable[[str, int, int], list[Image.Image]]
MakeSet = Callable[..., CuratedSet]
PROMPTS = ("icons, a cat", "icons, a dog", "icons, a tree", "icons, a boat")
SEEDS = (0, 1)


class ByBrightness:
    """A stand-in for CLIP in two dimensions: pictures and texts as angles."""

    def __init__(self, angles: dict[str, float]) -> None:
        self.angles = angles
        self.texts: list[str] = []

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        self.texts = list(texts)
        return np.stack([_direction(self.angles[text]) for text in texts])

    def embed_pictures(self, pictures: list[Image.Image]) -> np.ndarray:
        return np.stack([_direction(np.asarray(p.convert("L")).mean()) for p in pictures])


def _direction(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def pairs(base: list[Image.Image], adapter: list[Image.Image]) -> Comparison:
    series = (Series("base", 0.0, tuple(base)), Series("icons", 1.0, tuple(adapter)))
    return Comparison("icons", "pocket", PROMPTS, SEEDS, series, SamplingSettings())


@pytest.fixture
def sets(draw: Draw, curated: MakeSet) -> tuple[CuratedSet, CuratedSet]:
    """Held-out and training pictures in the flat style."""
    held_out = curated("held_out", draw("flat", 500, 10), [f"unseen {i}" for i in range(10)])
    training = curated("training", draw("flat", 100, 12), [f"seen {i}" for i in range(12)])
    return held_out, training


def test_an_adapter_that_works_is_said_to_work(
    draw: Draw, sets: tuple[CuratedSet, CuratedSet]
) -> None:
    drawn = pairs(draw("noisy", 0, 8), draw("flat", 0, 8))
    report = measure(drawn, *sets, scorer=None, trigger="icons")
    assert report.style.relative_fall > 0.8
    assert report.following is None
    assert (report.num_pictures, report.num_held_out, report.num_training) == (8, 10, 12)
    assert not report.copying.suspected
    share = round(100 * report.style.relative_fall)
    assert report.verdict.startswith(f"The adapter moves pictures {share}% of the way")
    assert "rough figures" not in report.verdict


def test_prompt_following_is_measured_without_the_trigger(
    sets: tuple[CuratedSet, CuratedSet],
) -> None:
    """Grays at the angles of their texts; the adapter's first prompt fails on both seeds."""
    angles = {"a cat": 10.0, "a dog": 30.0, "a tree": 50.0, "a boat": 70.0}
    right = [_gray(angle) for angle in angles.values() for _ in SEEDS]
    wrong = [_gray(70), _gray(70), *right[2:]]
    scorer: Any = ByBrightness(angles)
    report = measure(pairs(right, wrong), *sets, scorer=scorer, trigger="icons")
    assert scorer.texts == list(angles)
    assert report.following is not None
    assert (report.following.base.top1, report.following.adapter.top1) == (1.0, 0.75)
    assert "follow prompts less than before (75%" in report.verdict


def _gray(level: float) -> Image.Image:
    return Image.new("L", (64, 64), int(level)).convert("RGB")


@pytest.fixture
def report(draw: Draw, sets: tuple[CuratedSet, CuratedSet]) -> EvaluationReport:
    scorer: Any = ByBrightness({"a cat": 10.0, "a dog": 30.0, "a tree": 50.0, "a boat": 70.0})
    drawn = pairs(draw("outlined", 0, 8), draw("flat", 0, 8))
    return measure(drawn, *sets, scorer=scorer, trigger="icons")


def test_a_report_survives_json(report: EvaluationReport) -> None:
    assert EvaluationReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_report_without_following_survives_json(
    draw: Draw, sets: tuple[CuratedSet, CuratedSet]
) -> None:
    drawn = pairs(draw("outlined", 0, 8), draw("flat", 0, 8))
    plain = measure(drawn, *sets, scorer=None, trigger="")
    assert EvaluationReport.from_json(json.loads(json.dumps(plain.to_json()))) == plain


def test_prompts_are_held_out_captions_first_each_once_with_the_trigger(
    draw: Draw, curated: MakeSet
) -> None:
    held_out = curated("a", draw("flat", 0, 3), ["a cat", "icons, a dog", "a cat"])
    training = curated("b", draw("flat", 9, 3), ["", "a dog", "a boat"])
    prompts = evaluation_prompts(held_out, training, "icons", 16)
    assert prompts == ["icons, a cat", "icons, a dog", "icons, a boat"]
    assert evaluation_prompts(held_out, training, "icons", 2) == prompts[:2]


def test_prompts_are_captions_without_their_chance(draw: Draw, curated: MakeSet) -> None:
    held_out = curated("a", draw("flat", 0, 1), ["a {red|blue} cat\na cat"])
    captions = CaptionSettings(wildcards=True, draw_line=True, shuffle_tags=True, suffix="on white")
    prompts = evaluation_prompts(held_out, held_out, "icons", 4, captions)
    assert prompts == ["icons, a red cat on white"]


def test_a_set_without_captions_is_drawn_by_its_trigger(draw: Draw, curated: MakeSet) -> None:
    silent = curated("a", draw("flat", 0, 2), ["", ""])
    assert evaluation_prompts(silent, silent, "icons", 16) == ["icons"]


def test_nothing_held_out_is_told(draw: Draw, curated: MakeSet) -> None:
    full, empty = curated("a", draw("flat", 0, 1), ["x"]), curated("b", [], [])
    with pytest.raises(DatasetError, match=r"no held-out pictures in .*b to measure against"):
        evaluation_prompts(empty, full, "", 4)


def test_evaluate_draws_pairs_and_measures_them(
    monkeypatch: pytest.MonkeyPatch,
    draw: Draw,
    sets: tuple[CuratedSet, CuratedSet],
    tiny_base: BaseModel,
) -> None:
    asked: list[dict[str, Any]] = []

    def fake_pairs(base: BaseModel, adapters: Any, prompts: Any, seeds: Any, *_: Any, **__: Any):
        asked.append({"adapters": adapters, "prompts": prompts, "seeds": seeds})
        series = (
            Series("base", 0.0, tuple(draw("noisy", 0, 8))),
            Series("icons", 1.0, tuple(draw("flat", 0, 8))),
        )
        return Comparison("icons", base.name, tuple(prompts), seeds, series, SamplingSettings())

    monkeypatch.setattr(evaluation, "sample_pairs", fake_pairs)
    files = (Path("a.safetensors"), Path("b.safetensors"))
    found = evaluate(
        tiny_base,
        files,
        *sets,
        settings=EvaluationSettings(prompts=4, seeds=SEEDS, drift_prompts=("dog",)),
        sampling=SamplingSettings(),
        trigger="icons",
    )
    of_the_set, elsewhere = asked
    assert of_the_set["adapters"] == elsewhere["adapters"] == [files]
    assert of_the_set["prompts"] == [f"icons, unseen {i}" for i in range(4)]
    assert elsewhere["prompts"] == ("dog",)
    assert (of_the_set["seeds"], found.seeds) == (SEEDS, SEEDS)
    assert found.drift is not None
    assert found.seconds > 0
    assert found.following is None


def test_a_wrong_clip_folder_is_told_before_drawing(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sets: tuple[CuratedSet, CuratedSet],
    tiny_base: BaseModel,
) -> None:
    monkeypatch.setattr(evaluation, "sample_pairs", lambda *_, **__: pytest.fail("was drawn"))
    with pytest.raises(BaseModelError, match="no CLIP model"):
        evaluate(
            tiny_base,
            (Path("icons.safetensors"),),
            *sets,
            settings=EvaluationSettings(clip_model=str(tmp_path)),
            sampling=SamplingSettings(),
        )


def test_a_base_folders_own_clip_is_used(tiny_base: BaseModel, tmp_path: Path) -> None:
    tiny_base.name = str(tmp_path)
    assert clip_folder(tiny_base, EvaluationSettings()) is None
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "config.json").write_text("{}")
    assert clip_folder(tiny_base, EvaluationSettings()) == tmp_path / "clip"
