from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError
from studio.preview import sampler
from studio.preview.sampler import evaluating, initial_latents, sample
from studio.preview.settings import SamplingSettings
from studio.preview.stages import pipeline

SETTINGS = SamplingSettings(num_inference_steps=4, guidance_scale=4.0)


def levels(pictures: Sequence[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(p, dtype=np.int16) for p in pictures])


def assert_same(first: Sequence[Image.Image], second: Sequence[Image.Image]) -> None:
    # One level of 255: float sums in another order may round a pixel the other way.
    assert np.abs(levels(first) - levels(second)).max() <= 1


def test_a_picture_does_not_depend_on_its_batch(small_base: BaseModel) -> None:
    together = sample(small_base, ["a red heart", "a dog"], [3, 4], SETTINGS)
    alone = sample(small_base, ["a dog"], [3], SETTINGS)
    assert_same([together[2]], alone)


def test_a_small_batch_budget_changes_nothing(
    small_base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sample(small_base, ["a heart"], [0, 1, 2], SETTINGS)
    monkeypatch.setattr(sampler, "CPU_BATCH_PX", 2 * 64 * 64)
    seen: list[tuple[int, int]] = []
    parts = sample(
        small_base, ["a heart"], [0, 1, 2], SETTINGS, lambda done, total: seen.append((done, total))
    )
    assert_same(whole, parts)
    assert seen == [(2, 3), (3, 3)]


def test_drawing_repeats_and_prompt_seed_and_negative_prompt_matter(small_base: BaseModel) -> None:
    first = sample(small_base, ["a heart"], [0], SETTINGS)
    assert np.array_equal(levels(first), levels(sample(small_base, ["a heart"], [0], SETTINGS)))
    others = [
        sample(small_base, ["a dog"], [0], SETTINGS),
        sample(small_base, ["a heart"], [1], SETTINGS),
        sample(small_base, ["a heart"], [0], SETTINGS.model_copy(update={"negative_prompt": "x"})),
    ]
    for other in others:
        assert np.abs(levels(first) - levels(other)).max() > 1


def test_drawing_leaves_no_trace(small_base: BaseModel) -> None:
    small_base.unet.train()
    small_base.unet.down_blocks[0].eval()
    modes = [m.training for m in small_base.unet.modules()]
    weights = {k: v.clone() for k, v in small_base.unet.state_dict().items()}
    config = dict(small_base.noise_scheduler.config)
    random_state = torch.random.get_rng_state()
    try:
        in_training = sample(small_base, ["a heart"], [0], SETTINGS)
        assert [m.training for m in small_base.unet.modules()] == modes
    finally:
        small_base.unet.eval()
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert dict(small_base.noise_scheduler.config) == config
    after = small_base.unet.state_dict()
    assert all(torch.equal(after[k], v) for k, v in weights.items())
    # Dropout was off for the drawing, though the model was in training.
    assert_same(in_training, sample(small_base, ["a heart"], [0], SETTINGS))


def test_modes_come_back_after_an_error() -> None:
    module = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    module[1].eval()

    def draw_and_fail() -> None:
        with evaluating(module):
            assert not module[0].training
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        draw_and_fail()
    assert (module.training, module[0].training, module[1].training) == (True, True, False)


def test_diffusers_own_pipeline_draws_the_same(small_base: BaseModel) -> None:
    """Built here from the base's parts by hand, as someone without the studio would."""
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    pipe = StableDiffusionPipeline(
        vae=small_base.vae,
        text_encoder=small_base.text_encoder,
        tokenizer=small_base.tokenizer,
        unet=small_base.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs = pipe(
        "a red heart",
        latents=initial_latents(7, 64, 64),
        height=64,
        width=64,
        num_inference_steps=4,
        guidance_scale=4.0,
    ).images
    assert_same(theirs, sample(small_base, ["a red heart"], [7], SETTINGS))


def test_zero_terminal_snr_starts_from_pure_noise(small_base: BaseModel) -> None:
    scheduler = pipeline(small_base).scheduler
    scheduler.set_timesteps(25)
    assert int(scheduler.timesteps[0]) == 999
    assert float(scheduler.alphas_cumprod[-1]) == pytest.approx(0.0, abs=1e-7)
    assert scheduler.config.prediction_type == "v_prediction"


def test_initial_latents_are_the_generators_own() -> None:
    expected = torch.randn((1, 4, 8, 16), generator=torch.Generator().manual_seed(5))
    assert torch.equal(initial_latents(5, 64, 128), expected)


def test_no_guidance_is_one_pass(small_base: BaseModel) -> None:
    plain = SETTINGS.model_copy(update={"guidance_scale": 1.0})
    negated = plain.model_copy(update={"negative_prompt": "dogs"})
    assert_same(
        sample(small_base, ["a heart"], [0], plain), sample(small_base, ["a heart"], [0], negated)
    )


def test_a_family_that_cannot_be_drawn_is_refused(small_base: BaseModel) -> None:
    with pytest.raises(BaseModelError, match="family svd"):
        sample(replace(small_base, family="svd"), ["a heart"], [0], SETTINGS)
