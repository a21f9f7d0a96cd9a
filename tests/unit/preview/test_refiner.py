"""SDXL's two stages: the base begins a picture, its refiner finishes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.errors import BaseModelError, RecipeError
from studio.examples.batch import Batch
from studio.preview.partner import identify_partner, partner_name
from studio.preview.sampler import initial_latents, sample
from studio.preview.settings import SamplingSettings
from studio.training.diffusion import Objective, add_noise_to, predict
from studio.training.randomness import RandomStreams

SETTINGS = SamplingSettings(num_inference_steps=10, guidance_scale=4.0, negative_prompt="dull")
PROMPT = "a cat"


@pytest.fixture
def both(tiny_sdxl: BaseModel, tiny_refiner: BaseModel) -> BaseModel:
    return replace(tiny_sdxl, partner=tiny_refiner)


def drawn(base: BaseModel, **settings: Any) -> np.ndarray:
    (picture,) = sample(base, [PROMPT], [3], SETTINGS.model_copy(update=settings))
    return np.asarray(picture, dtype=np.int16)


def drawn_by_diffusers(base: BaseModel, refiner: BaseModel, switch_at: float) -> np.ndarray:
    """The recipe of diffusers' documentation for an ensemble of two denoisers."""
    scheduler = DDIMScheduler.from_config(base.noise_scheduler.config, clip_sample=False)
    common = {"vae": base.vae, "add_watermarker": False}
    first = StableDiffusionXLPipeline(
        text_encoder=base.text_encoders[0],
        text_encoder_2=base.text_encoders[1],
        tokenizer=base.tokenizers[0],
        tokenizer_2=base.tokenizers[1],
        unet=base.unet,
        scheduler=scheduler,
        **common,
    )
    second = StableDiffusionXLImg2ImgPipeline(
        text_encoder=None,
        text_encoder_2=refiner.text_encoders[0],
        tokenizer=None,
        tokenizer_2=refiner.tokenizers[0],
        unet=refiner.unet,
        scheduler=DDIMScheduler.from_config(scheduler.config),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        **common,
    )
    words = {"prompt": PROMPT, "negative_prompt": "dull", "guidance_scale": 4.0}
    for pipe in (first, second):
        pipe.set_progress_bar_config(disable=True)
    begun = first(
        **words,
        num_inference_steps=10,
        denoising_end=switch_at,
        latents=initial_latents(3, 64, 64),
        height=64,
        width=64,
        output_type="latent",
    ).images
    finished = second(**words, num_inference_steps=10, denoising_start=switch_at, image=begun)
    return np.asarray(finished.images[0], dtype=np.int16)


@pytest.mark.parametrize("switch_at", [0.8, 0.5])
def test_the_hand_over_is_that_of_diffusers(
    both: BaseModel, tiny_sdxl: BaseModel, tiny_refiner: BaseModel, switch_at: float
) -> None:
    ours = drawn(both, refiner_switch_at=switch_at)
    theirs = drawn_by_diffusers(tiny_sdxl, tiny_refiner, switch_at)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - drawn(tiny_sdxl)).max() > 1, "the refiner has changed nothing"


def test_a_refiner_with_its_base_draws_what_the_base_draws_with_it(
    both: BaseModel, tiny_sdxl: BaseModel, tiny_refiner: BaseModel
) -> None:
    assert np.array_equal(drawn(replace(tiny_refiner, partner=tiny_sdxl)), drawn(both))


@pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # diffusers'
def test_a_picture_does_not_depend_on_its_batch(both: BaseModel) -> None:
    settings = SETTINGS.model_copy(update={"scheduler": "Euler a"})
    together = sample(both, [PROMPT, "a dog"], [3, 4], settings)
    alone = sample(both, ["a dog"], [4], settings)
    difference = np.asarray(together[-1], np.int16) - np.asarray(alone[0], np.int16)
    assert np.abs(difference).max() <= 1


def test_emphasis_reaches_both_stages(both: BaseModel) -> None:
    (weighted,) = sample(both, ["a (cat:1.6)"], [3], SETTINGS)
    assert np.abs(np.asarray(weighted, np.int16) - drawn(both)).max() > 1


def test_a_refiner_alone_is_refused(tiny_refiner: BaseModel) -> None:
    with pytest.raises(BaseModelError, match="only finishes pictures"):
        sample(tiny_refiner, [PROMPT], [0], SETTINGS)


def test_the_refiner_is_told_size_crop_and_score(tiny_refiner: BaseModel) -> None:
    """Podell et al., 2023: original size, crop, and an aesthetic score in the target size's place."""
    told: dict[str, Any] = {}
    unet, plain = tiny_refiner.unet, tiny_refiner.unet.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        told.update(kwargs["added_cond_kwargs"])
        return plain(*args, **kwargs)

    unet.forward = watched  # type: ignore[method-assign]
    batch = Batch(torch.zeros(1, 4, 8, 8), None, [PROMPT], [0], [0], torch.ones(1))
    noised = add_noise_to(tiny_refiner, batch, Objective(), RandomStreams(0))
    text = Conditioning(torch.zeros(1, 16, 40), torch.zeros(1, 40))
    predict(tiny_refiner, noised, text, torch.tensor([[80.0, 64.0, 2.0, 1.0, 64.0, 64.0]]))
    assert told["time_ids"].tolist() == [[80.0, 64.0, 2.0, 1.0, 6.0]]


def test_the_refiner_learns_on_the_last_fifth_of_the_noise(tiny_refiner: BaseModel) -> None:
    many = 300
    batch = Batch(
        torch.zeros(many, 4, 8, 8),
        None,
        [PROMPT] * many,
        [0] * many,
        [*range(many)],
        torch.ones(many),
    )
    drawn_at = add_noise_to(tiny_refiner, batch, Objective(), RandomStreams(0)).timesteps
    assert drawn_at.min() < 10
    assert 190 < drawn_at.max() < 200
    with pytest.raises(RecipeError, match="trained on the timesteps up to 199"):
        Objective(min_timestep=200).require_fit(tiny_refiner)


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        (
            "sd1",
            {"refiner": "some/refiner"},
            "sampling.refiner: some/refiner, but the base model is",
        ),
        ("sdxl", {"refiner_base": "some/base"}, "sampling.refiner_base: some/base, but"),
        ("sdxl_refiner", {}, "sampling.refiner_base: missing"),
    ],
)
def test_partners_that_do_not_fit_are_told_before_loading(
    family: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(BaseModelError, match=message) as caught:
        partner_name(family, SamplingSettings(**settings))
    assert "\n" not in str(caught.value)


def test_a_partner_of_the_wrong_family_is_refused() -> None:
    with pytest.raises(
        BaseModelError, match=r"pocket is Stable Diffusion 1\.x, which does not draw"
    ):
        identify_partner("sdxl", SamplingSettings(refiner="pocket"))
    assert identify_partner("sd1", SamplingSettings()) is None
