"""Every method: a run that is stopped twice, anywhere, ends in the bytes of one that was left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from diffusers import DDPMScheduler, StableDiffusionPipeline

from studio.bases.base_model import BaseModel
from studio.recipe import Recipe
from studio.recipe.loading import recipe_from_dict
from studio.reporter import Reporter
from studio.run import resume, run
from studio.run_folder import RunFolder
from studio.training.listeners import FitListener, StepReport

PICTURES = Path(__file__).parents[2] / "datasets" / "mascot"
STEPS = 6
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "lora", "rank": 2, "dropout": 0.2, "train_text_encoder": True},
    "lora variants": {"kind": "lora", "variant": "loha", "conv_rank": 2, "rank_dropout": 0.2},
    "dreambooth": {
        "kind": "dreambooth",
        "rank": 2,
        "use_captions": True,
        "prior": "class_pictures",
        "class_prompt": "a b",
        "num_class_images": 3,
        "class_num_inference_steps": 1,
    },
    "dreambooth, whole weights": {
        "kind": "dreambooth",
        "weights": "full",
        "use_captions": True,
        "prior": "output",
        "class_prompt": "a b",
    },
    "hypernetwork": {"kind": "hypernetwork", "use_dropout": True, "layer_structure": [1, 2, 2, 1]},
    "textual inversion": {"kind": "textual_inversion", "num_vectors": 2, "templates": "object"},
    "pivotal tuning": {
        "kind": "textual_inversion",
        "templates": "captions",
        "pivotal": {"rank": 2},
        "stop_after": 0.5,
    },
}


class Killed(Exception):
    """Raised in the place of SIGKILL, with nothing written on the way out."""


class Killer(Reporter):
    """Stops a run right after a step, as a power cut would."""

    def __init__(self, step: int) -> None:
        self._step = step

    @contextmanager
    def training(self) -> Iterator[FitListener]:
        step = self._step

        class Listener(FitListener):
            def on_step(self, report: StepReport) -> None:
                if report.step == step:
                    raise Killed

        yield Listener()


@pytest.fixture(scope="module")
def base_folder(_tiny_base_once: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base as a diffusers folder."""
    once = _tiny_base_once
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    StableDiffusionPipeline(
        vae=once.vae,
        unet=once.unet,
        text_encoder=once.text_encoder,
        tokenizer=once.tokenizer,
        scheduler=DDPMScheduler.from_config(once.noise_scheduler.config, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    # Its text is narrower than any family's, so its family must be said.
    (folder / "pocket.json").write_text(json.dumps({"family": "sd1"}), "utf-8")
    return folder


def recipe(base: Path, trainer: dict[str, Any]) -> Recipe:
    """Flips, dropped captions, accumulation, validation, samples and a checkpoint now and then."""
    return recipe_from_dict(
        {
            "name": "resumed",
            "base_model": str(base),
            "seed": 3,
            "dataset": {"source": str(PICTURES), "trigger": "zorp", "flip_probability": 0.5},
            "trainer": trainer,
            "budget": {"steps": STEPS},
            "optimizer": {
                "learning_rate": 1e-2,
                "train_batch_size": 2,
                "gradient_accumulation_steps": 2,
            },
            "precision": {"num_threads": 1},
            "checkpoint": {"every_steps": 2},
            "validation": {"every_steps": 3, "timesteps": [500], "max_pictures": 1},
            "sampling": {
                "prompts": ["zorp"],
                "seeds": [0],
                "num_inference_steps": 1,
                "every_steps": 3,
            },
            "evaluation": {"enabled": False},
        }
    )


@pytest.mark.parametrize("trainer", METHODS.values(), ids=METHODS)
def test_two_kills_and_two_resumes_end_in_the_same_bytes(
    base_folder: Path, tmp_path: Path, trainer: dict[str, Any]
) -> None:
    straight = run(recipe(base_folder, trainer), runs=tmp_path / "straight")

    with pytest.raises(Killed):
        run(recipe(base_folder, trainer), runs=tmp_path / "killed", reporter=Killer(3))
    folder = RunFolder.open("resumed", tmp_path / "killed")
    with pytest.raises(Killed):
        resume(folder, reporter=Killer(5))
    resume(RunFolder.open("resumed", tmp_path / "killed"))

    assert folder.state == "finished"
    assert contents(folder) == contents(straight)


def contents(folder: RunFolder) -> dict[str, bytes]:
    """Every exported file's bytes, by its path."""
    return {
        path.relative_to(folder.adapter).as_posix(): path.read_bytes()
        for path in sorted(folder.adapter.rglob("*"))
        if path.is_file()
    }
