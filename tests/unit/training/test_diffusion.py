"""The steps of denoising put together, on a tiny base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError, RecipeError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.training.diffusion import (
    Objective,
    add_noise_to,
    conditioning_of,
    denoising_loss,
    denoising_target,
    predict,
    reconstruction_loss,
)
from studio.training.randomness import RandomStreams

STREAMS = RandomStreams(0)
MakeBatch = Callable[..., Batch]


def velocity_base(base: BaseModel, **scheduler: Any) -> BaseModel:
    noise_scheduler = DDPMScheduler(prediction_type="v_prediction", **scheduler)
    return replace(base, noise_scheduler=noise_scheduler)


def test_an_example_draws_the_same_in_any_company(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    together = denoising_loss(tiny_base, make_batch([3, 5]), Objective(), STREAMS)
    alone = [denoising_loss(tiny_base, make_batch([i]), Objective(), STREAMS) for i in (3, 5)]
    assert together.item() == pytest.approx((alone[0] + alone[1]).item() / 2, rel=1e-5)


def test_weights_scale_each_examples_loss(tiny_base: BaseModel, make_batch: MakeBatch) -> None:
    alone = denoising_loss(tiny_base, make_batch([3]), Objective(), STREAMS)
    weighted = make_batch([3, 5], weights=torch.tensor([2.0, 0.0]))
    assert denoising_loss(tiny_base, weighted, Objective(), STREAMS).item() == pytest.approx(
        alone.item(), rel=1e-5
    )


@pytest.mark.parametrize(
    "objective",
    [
        Objective(prediction_type="v_prediction"),
        Objective(prediction_type="v_prediction", zero_terminal_snr=True),
        Objective(snr_gamma=5.0),
        Objective(debiased=True),
        Objective(min_timestep=900),
        Objective(timestep_distribution="logit_normal"),
        Objective(timestep_distribution="power", timestep_exponent=2),
        Objective(loss_type="huber"),
        Objective(loss_type="smooth_l1"),
        Objective(noise_offset=0.5),
        Objective(multires_noise_iterations=6),
        Objective(input_perturbation=0.1),
        Objective(masked_loss=True),
    ],
)
def test_every_setting_of_the_objective_counts(
    tiny_base: BaseModel, make_batch: MakeBatch, objective: Objective
) -> None:
    batch = make_batch([3, 5], masks=torch.eye(8).expand(2, 1, 8, 8))
    plain_objective = Objective(prediction_type=objective.prediction_type)
    if not objective.zero_terminal_snr:
        plain_objective = Objective()
    plain = denoising_loss(tiny_base, batch, plain_objective, STREAMS)
    changed = denoising_loss(tiny_base, batch, objective, STREAMS)
    assert changed.isfinite()
    assert changed.item() != pytest.approx(plain.item(), rel=1e-6)


def test_the_steps_can_be_composed_in_another_way(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    """What a method with an objective of its own does; here it comes to the same."""
    batch, objective = make_batch([1, 2]), Objective(snr_gamma=5.0)
    noised = add_noise_to(tiny_base, batch, objective, STREAMS)
    model_pred = predict(tiny_base, noised, conditioning_of(tiny_base, batch))
    target = denoising_target(batch.latents, noised.noise, noised.alphas_cumprod, "epsilon")
    composed = reconstruction_loss(model_pred, target, noised, batch, objective, "epsilon")
    assert composed.equal(denoising_loss(tiny_base, batch, objective, STREAMS))
    assert model_pred.dtype == torch.float32


def test_noisy_latents_are_what_diffusers_makes_of_the_same_draws(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    batch = make_batch([1, 2, 3])
    noised = add_noise_to(tiny_base, batch, Objective(), STREAMS)
    scheduler: Any = tiny_base.noise_scheduler
    theirs = scheduler.add_noise(batch.latents, noised.noise, noised.timesteps)
    torch.testing.assert_close(noised.noisy_latents, theirs)


def test_input_perturbation_changes_the_input_and_not_the_target(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    batch = make_batch(range(8))
    plain = add_noise_to(tiny_base, batch, Objective(), STREAMS)
    perturbed = add_noise_to(tiny_base, batch, Objective(input_perturbation=0.5), STREAMS)
    assert perturbed.noise.equal(plain.noise)
    sigma = (1 - plain.alphas_cumprod).sqrt()[:, None, None, None]
    added = (perturbed.noisy_latents - plain.noisy_latents) / sigma
    assert added.std().item() == pytest.approx(0.5, rel=0.1)


def test_at_the_last_timestep_of_zero_terminal_snr_there_is_noise_alone(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    base = velocity_base(tiny_base)
    batch = make_batch([0, 1])
    objective = Objective(zero_terminal_snr=True, min_timestep=999, snr_gamma=5.0)
    noised = add_noise_to(base, batch, objective, STREAMS)
    assert noised.noisy_latents.equal(noised.noise)
    assert denoising_loss(base, batch, objective, STREAMS).isfinite()
    as_the_base_says = velocity_base(tiny_base, rescale_betas_zero_snr=True)
    noised = add_noise_to(as_the_base_says, batch, Objective(min_timestep=999), STREAMS)
    torch.testing.assert_close(noised.noisy_latents, noised.noise)


def test_zero_terminal_snr_is_refused_on_a_base_that_predicts_epsilon(tiny_base: BaseModel) -> None:
    objective = Objective(zero_terminal_snr=True)
    with pytest.raises(RecipeError, match="tiny predicts epsilon") as caught:
        objective.require_fit(tiny_base)
    assert "\n" not in str(caught.value)
    objective.require_fit(velocity_base(tiny_base))
    Objective().require_fit(tiny_base)


def test_captions_are_encoded_with_gradient_where_no_conditioning_is_given(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    weight = tiny_base.text_encoder.get_submodule("encoder.layers.0.self_attn.q_proj").weight
    weight.requires_grad_(True)
    batch = make_batch([1], conditioning=None, captions=["a cat"])
    denoising_loss(tiny_base, batch, Objective(), STREAMS).backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_a_family_that_reads_no_text_is_refused(
    tiny_base: BaseModel, make_batch: MakeBatch
) -> None:
    batch = make_batch([1], conditioning=None, captions=["x"])
    with pytest.raises(BaseModelError, match="family svd"):
        denoising_loss(replace(tiny_base, family="svd"), batch, Objective(), STREAMS)


TIME_IDS = torch.tensor([[512.0, 480, 0, 16, 64, 64]])


def test_sdxl_reads_pooled_text_and_sizes(tiny_sdxl: BaseModel, make_batch: MakeBatch) -> None:
    batch = make_batch([1], conditioning=None, captions=["a cat"], time_ids=TIME_IDS)
    noised = add_noise_to(tiny_sdxl, batch, Objective(), STREAMS)
    conditioning = encode_captions(tiny_sdxl, ["a cat"])
    ours = predict(tiny_sdxl, noised, conditioning, TIME_IDS)
    theirs = tiny_sdxl.unet(
        noised.noisy_latents,
        noised.timesteps,
        encoder_hidden_states=conditioning.hidden_states,
        added_cond_kwargs={"text_embeds": conditioning.pooled, "time_ids": TIME_IDS},
    ).sample
    assert ours.equal(theirs)
    assert not predict(tiny_sdxl, noised, conditioning, TIME_IDS + 64).equal(ours)
    assert conditioning.pooled is not None
    other_pooled = replace(conditioning, pooled=conditioning.pooled + 1)
    assert not predict(tiny_sdxl, noised, other_pooled, TIME_IDS).equal(ours)
    assert denoising_loss(tiny_sdxl, batch, Objective(), STREAMS).isfinite()


def test_sdxl_without_sizes_is_refused(tiny_sdxl: BaseModel, make_batch: MakeBatch) -> None:
    batch = make_batch([1], conditioning=None, captions=["a cat"])
    with pytest.raises(ValueError, match="time_ids"):
        denoising_loss(tiny_sdxl, batch, Objective(), STREAMS)
