"""What is drawn, what is told of it, and what is refused; on a base of random weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.bases.base_model import BaseModel
from studio.errands import drawing
from studio.errands.drawing import draw
from studio.errands.drawing_order import MOST_PICTURES, DrawingOrder
from studio.errors import AdapterError, RecipeError
from studio.recipe import validated

SAMPLING = {"prompts": ["a", "b"], "seeds": [0], "num_inference_steps": 1, "guidance_scale": 1.0}


@pytest.fixture(autouse=True)
def base(tiny_base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseModel]:
    """The one at hand; every drawing must leave it as it was."""
    monkeypatch.setattr(drawing, "base_at_hand", lambda *_: tiny_base)
    monkeypatch.setattr(drawing, "identify_base", lambda *_, **__: tiny_base)
    before = copy.deepcopy(tiny_base.unet.state_dict())
    yield tiny_base
    after = tiny_base.unet.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def order(lora: Path, **changes: Any) -> dict[str, Any]:
    loud = {"name": "loud", "files": [str(lora)], "strength": 1.0}
    return {"mode": "pairs", "adapters": [loud], "sampling": SAMPLING} | changes


def drawn(arguments: dict[str, Any], tmp_path: Path) -> tuple[dict[str, Any], list[Any]]:
    folder = tmp_path / "errands" / "key"
    folder.mkdir(parents=True, exist_ok=True)
    told: list[Any] = []
    return draw(arguments, folder, lambda *what: told.append(what)), told


def pixels(result: dict[str, Any], tmp_path: Path) -> list[np.ndarray]:
    folder = tmp_path / "errands" / "key"
    pictures = [Image.open(folder / picture["file"]) for picture in result["pictures"]]
    return [np.asarray(picture, dtype=float) for picture in pictures]


def test_the_base_stands_beside_the_adapter(lora_file: Path, tmp_path: Path) -> None:
    result, told = drawn(order(lora_file), tmp_path)
    facts = [(p["prompt"], p["column"], p["adapter"], p["strength"]) for p in result["pictures"]]
    assert facts == [
        ("a", "base", "", 0.0),
        ("a", "loud", "loud", 1.0),
        ("b", "base", "", 0.0),
        ("b", "loud", "loud", 1.0),
    ]
    bare, with_it, *_ = pixels(result, tmp_path)
    assert np.abs(bare - with_it).mean() > 0.5
    assert told[-1] == ("drawing", 4, 4)
    assert (tmp_path / "errands" / "key" / result["grid"]).is_file()
    assert result["settings"]["clip_skip"] == 1


def test_the_base_alone(lora_file: Path, tmp_path: Path) -> None:
    result, _ = drawn(order(lora_file, adapters=[]), tmp_path)
    assert [p["column"] for p in result["pictures"]] == ["base", "base"]


def test_strength_0_is_the_base_and_each_has_its_own(lora_file: Path, tmp_path: Path) -> None:
    adapters = [
        {"name": "off", "files": [str(lora_file)], "strength": 0.0},
        {"name": "on", "files": [str(lora_file)], "strength": 0.7},
    ]
    result, _ = drawn(order(lora_file, adapters=adapters), tmp_path)
    bare, off, on, *_ = pixels(result, tmp_path)
    assert np.abs(bare - off).max() == 0
    assert np.abs(bare - on).mean() > 0.3
    assert [p["strength"] for p in result["pictures"][:3]] == [0.0, 0.0, 0.7]


def test_together_is_one_series_and_more_than_each(lora_file: Path, tmp_path: Path) -> None:
    adapters = [{"name": n, "files": [str(lora_file)], "strength": 0.5} for n in ("one", "two")]
    result, _ = drawn(order(lora_file, adapters=adapters, together=True), tmp_path)
    assert [p["column"] for p in result["pictures"][:2]] == ["base", "one + two"]
    _, both, *_ = pixels(result, tmp_path)
    alone, _ = drawn(order(lora_file), tmp_path)
    _, whole, *_ = pixels(alone, tmp_path)
    assert np.abs(both - whole).mean() < 1  # halves of the same change make the whole


def test_a_sweep_goes_through_the_strengths(lora_file: Path, tmp_path: Path) -> None:
    result, _ = drawn(order(lora_file, mode="sweep", strengths=[0, 2]), tmp_path)
    assert [(p["column"], p["adapter"]) for p in result["pictures"][:2]] == [
        ("0", ""),
        ("2", "loud"),
    ]


def test_a_grid_of_strength_and_checkpoint(lora_file: Path, tmp_path: Path) -> None:
    adapters = [{"name": n, "files": [str(lora_file)]} for n in ("early", "late")]
    axes = {"mode": "grid", "rows": "strength", "columns": "checkpoint", "strengths": [0.5, 1]}
    sampling = SAMPLING | {"prompts": ["a"]}
    result, _ = drawn(order(lora_file, adapters=adapters, sampling=sampling, **axes), tmp_path)
    assert [(p["row"], p["column"], p["strength"]) for p in result["pictures"]] == [
        ("strength 0.5", "early", 0.5),
        ("strength 0.5", "late", 0.5),
        ("strength 1", "early", 1.0),
        ("strength 1", "late", 1.0),
    ]


def test_a_checkpoint_is_restored_on_request(
    lora_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, int, Path]] = []

    def files(run: Path, step: int, _base: BaseModel, cache: Path) -> tuple[Path, ...]:
        asked.append((run, step, cache))
        return (lora_file,)

    monkeypatch.setattr(drawing, "checkpoint_files", files)
    early = {"name": "demo step 10", "run": str(tmp_path / "demo"), "checkpoint": 10}
    result, _ = drawn(order(lora_file, adapters=[early]), tmp_path)
    assert asked == [(tmp_path / "demo", 10, tmp_path / "checkpoint-adapters")]
    assert result["pictures"][1]["checkpoint"] == 10


def test_another_family_is_refused_before_a_base_is_loaded(
    lora_file: Path, tmp_path: Path, tiny_sdxl: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> BaseModel:
        raise AssertionError("loaded")

    monkeypatch.setattr(drawing, "identify_base", lambda *_, **__: tiny_sdxl)
    monkeypatch.setattr(drawing, "base_at_hand", load)
    with pytest.raises(AdapterError, match="does not fit"):
        drawn(order(lora_file), tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sampling": SAMPLING | {"prompts": []}}, "no prompt"),
        ({"mode": "sweep", "adapters": []}, "no adapter"),
        ({"sampling": SAMPLING | {"seeds": list(range(MOST_PICTURES))}}, "too many"),
        ({"adapters": [{"name": "a"}, {"name": "a"}]}, "chosen twice"),
        ({"adapters": [{"name": "a", "strength": 9}]}, "strength"),
        ({"sampling": SAMPLING | {"prompts": ["<lora:x:1>"]}}, "calls an adapter"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    changes: dict[str, Any], told: str, lora_file: Path
) -> None:
    with pytest.raises(RecipeError, match=told):
        validated(DrawingOrder, order(lora_file, **changes))
