"""Every method on every family: a run of two steps, the file that it leaves, pictures drawn with it.

The bases have their families' whole module trees at tiny widths, and random weights.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack
from studio.recipe import load_recipe, yaml_text
from studio.run import run
from studio.run_folder import RunFolder

from .narrow_bases import narrow

PICTURES = Path(__file__).resolve().parents[2] / "datasets" / "mascot"
FAMILIES = ("sd1", "sd2", "sdxl")
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "lora", "rank": 2, "train_text_encoder": True},
    "dreambooth": {
        "kind": "dreambooth",
        "rank": 2,
        "prior": "output",
        "class_prompt": "a toy",
    },
    "dreambooth, full": {"kind": "dreambooth", "weights": "full", "prior": "none"},
    "hypernetwork": {"kind": "hypernetwork"},
    "textual inversion": {"kind": "textual_inversion", "num_vectors": 2},
    "pivotal tuning": {"kind": "textual_inversion", "pivotal": {"rank": 2}},
}
WORD = "<q>"
SETTINGS = SamplingSettings(num_inference_steps=2, guidance_scale=3.0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for picture in sorted(PICTURES.glob("*.png"))[:4]:
        for file in (picture, picture.with_suffix(".txt")):
            shutil.copy(file, folder)
    return folder


@pytest.fixture
def save(tmp_path: Path) -> Callable[[BaseModel], Path]:
    """Writes a base as diffusers saves a pipeline."""

    def as_folder(base: BaseModel) -> Path:
        folder = tmp_path / base.name
        noise: Any = base.noise_scheduler
        scheduler = type(noise).from_config(noise.config, steps_offset=1)  # else diffusers warns
        pipe = architecture_of(base).pipeline(base, scheduler)
        pipe.save_pretrained(folder)
        if base.family in ("sd1", "sd2"):  # told by their width, and this one has another
            (folder / "pocket.json").write_text(json.dumps({"family": base.family}))
        return folder

    return as_folder


def two_steps(base: Path, pictures: Path, trainer: dict[str, Any], **more: Any) -> RunFolder:
    recipe = {
        "version": 1,
        "name": "two",
        "base_model": str(base),
        "seed": 0,
        "dataset": {"source": str(pictures), "resolution": 64, "validation_share": 0}
        | ({"trigger": WORD} if trainer["kind"] == "textual_inversion" else {"trigger": "q"}),
        "trainer": trainer,
        "budget": {"steps": 2},
        "optimizer": {"learning_rate": 0.02, "train_batch_size": 2, "lr_warmup_steps": 0},
        "precision": {"num_threads": 1},
        "sampling": {"num_inference_steps": 1, "seeds": [0], "every_steps": 2},
        "evaluation": {"enabled": False},
        **more,
    }
    path = pictures.parent / "two.yaml"
    path.write_text(yaml_text.dump(recipe))
    return run(load_recipe(path), runs=pictures.parent / "runs")


def drawn(base: BaseModel, files: Sequence[Path], prompt: str) -> np.ndarray:
    with Stack.read(files).applied(base):
        (picture,) = sample(base, [prompt], [1], SETTINGS)
    return np.asarray(picture, dtype=np.int16)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_steps_leave_a_file_that_changes_pictures(
    family: str,
    method: str,
    pictures: Path,
    save: Callable[[BaseModel], Path],
    request: pytest.FixtureRequest,
) -> None:
    tiny = request.getfixturevalue({"sd1": "tiny_base"}.get(family, f"tiny_{family}"))
    folder = save(narrow(tiny))
    trainer = METHODS[method]
    finished = two_steps(folder, pictures, trainer)

    assert finished.state == "finished"
    exported = [e for e in finished.events.read() if e["event"] == "exported"]
    assert exported
    assert all(event["ok"] for event in exported), exported
    assert len(list((finished.samples / "step-000002").glob("*.png"))) > 0

    clean = load_base(str(folder))
    words = trainer["kind"] == "textual_inversion"
    prompt = f"a {WORD}" if words else "a q toy"
    (bare,) = sample(clean, [prompt], [1], SETTINGS)
    difference = np.abs(drawn(clean, finished.adapters()[0], prompt) - np.asarray(bare, np.int16))
    assert difference.max() > 1, "the file changes nothing"
    (again,) = sample(clean, [prompt], [1], SETTINGS)
    assert again.tobytes() == bare.tobytes(), "the file left something on the base"


def test_a_lora_for_the_refiner(
    pictures: Path,
    save: Callable[[BaseModel], Path],
    tiny_refiner: BaseModel,
    tiny_sdxl: BaseModel,
) -> None:
    refiner, first = save(narrow(tiny_refiner)), save(narrow(tiny_sdxl))
    sampling = {
        "num_inference_steps": 5,
        "seeds": [0],
        "every_steps": 2,
        "refiner_base": str(first),
    }
    finished = two_steps(refiner, pictures, METHODS["lora"], sampling=sampling)
    assert finished.state == "finished"
    clean = load_base(str(refiner))
    clean.partner = load_base(str(first))
    # Handed over early, for at the end of the noise hardly anything is left to change.
    settings = SETTINGS.model_copy(update={"num_inference_steps": 5, "refiner_switch_at": 0.2})
    (bare,) = sample(clean, ["a q toy"], [1], settings)
    with Stack.read(finished.adapters()[0]).applied(clean):
        (ours,) = sample(clean, ["a q toy"], [1], settings)
    assert np.abs(np.asarray(ours, np.int16) - np.asarray(bare, np.int16)).max() > 1
