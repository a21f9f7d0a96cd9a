"""SDXL's pictures: those that diffusers draws from the same folder without the studio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.preview import sampler
from studio.preview.sampler import initial_latents, sample
from studio.preview.settings import SamplingSettings
from studio.preview.stages import pipeline

SETTINGS = SamplingSettings(num_inference_steps=3, guidance_scale=5.0)
PROMPT = "a red heart"


def listening(unet: torch.nn.Module) -> None:
    """Random weights hear almost nothing of a prompt; make them listen to both ways in."""
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "attn2.to_v" in name or "add_embedding" in name:
                parameter.mul_(6.0)


@pytest.fixture
def base(tiny_sdxl_folder: Path) -> BaseModel:
    loaded = load_base(str(tiny_sdxl_folder))
    listening(loaded.unet)
    return loaded


@pytest.fixture
def theirs(tiny_sdxl_folder: Path) -> Any:
    """The pipeline as someone without the studio would make it."""
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl_folder, add_watermarker=False)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    pipe.set_progress_bar_config(disable=True)
    listening(pipe.unet)
    return pipe


def drawn_by(pipe: Any, **more: Any) -> np.ndarray:
    picture = pipe(
        PROMPT,
        latents=initial_latents(7, 64, 64),
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=5.0,
        **more,
    ).images[0]
    return np.asarray(picture)


def drawn(base: BaseModel, settings: SamplingSettings = SETTINGS) -> np.ndarray:
    return np.asarray(sample(base, [PROMPT], [7], settings)[0])


def test_diffusers_draws_the_same_picture(base: BaseModel, theirs: Any) -> None:
    assert drawn(base).std() > 1
    assert np.array_equal(drawn(base), drawn_by(theirs))


def test_and_with_a_negative_prompt(base: BaseModel, theirs: Any) -> None:
    negated = drawn(base, SETTINGS.model_copy(update={"negative_prompt": "dogs"}))
    assert np.array_equal(negated, drawn_by(theirs, negative_prompt="dogs"))
    assert not np.array_equal(negated, drawn(base))


def test_without_a_negative_prompt_the_base_says_what_guidance_moves_away_from(
    base: BaseModel, theirs: Any
) -> None:
    encoded = drawn(replace(base, force_zeros_for_empty_prompt=False))
    assert np.array_equal(encoded, drawn_by(theirs, negative_prompt=""))
    assert not np.array_equal(encoded, drawn(base))


def test_a_picture_does_not_depend_on_its_batch(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = sample(base, [PROMPT, "a dog"], [7, 8], SETTINGS)
    monkeypatch.setattr(sampler, "CPU_BATCH_PX", 64 * 64)
    alone = sample(base, [PROMPT, "a dog"], [7, 8], SETTINGS)
    for one, other in zip(together, alone, strict=True):
        # One level of 255: float sums in another order may round a pixel the other way.
        assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= 1


def test_drawing_leaves_no_trace(base: BaseModel) -> None:
    base.text_encoders[1].train()
    weights = {k: v.clone() for k, v in base.text_encoders[1].state_dict().items()}
    settings = SETTINGS.model_copy(update={"num_inference_steps": 1})
    drawn(base, settings)
    assert base.text_encoders[1].training
    assert not base.text_encoders[0].training
    after = base.text_encoders[1].state_dict()
    assert all(torch.equal(after[k], v) for k, v in weights.items())


def test_no_watermark_is_drawn_in(base: BaseModel) -> None:
    assert pipeline(base).watermark is None
