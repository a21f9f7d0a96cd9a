from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError
from studio.examples.batch import Batch
from studio.training.diffusion import (
    Objective,
    add_noise,
    denoising_loss,
    denoising_target,
    min_snr_weights,
)
from studio.training.randomness import RandomStreams

STREAMS = RandomStreams(0)


def batch(items: list[int], captions: list[str] | None = None) -> Batch:
    latents = torch.stack([STREAMS.normal((4, 8, 8), "latents", 0, i) for i in items])
    states = torch.stack([STREAMS.normal((16, 32), "states", 0, i) for i in items])
    return Batch(
        latents=latents,
        encoder_hidden_states=None if captions else states,
        captions=captions or [""] * len(items),
        items=items,
        views=[0] * len(items),
        weights=torch.ones(len(items)),
    )


def test_noise_and_targets_by_hand() -> None:
    """alphas_cumprod 0.36 leaves 0.6 of the signal and adds 0.8 of the noise."""
    latents, noise = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), -1.0)
    alphas_cumprod = torch.tensor([0.36])
    assert add_noise(latents, noise, alphas_cumprod).item() == pytest.approx(0.6 * 2 - 0.8)
    assert denoising_target(latents, noise, alphas_cumprod, "epsilon").item() == -1
    velocity = denoising_target(latents, noise, alphas_cumprod, "v_prediction")
    assert velocity.item() == pytest.approx(0.6 * -1 - 0.8 * 2)


def test_noise_and_velocity_agree_with_diffusers() -> None:
    scheduler = DDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    timesteps = torch.tensor([0, 10, 500, 999])
    latents, noise = torch.randn(2, 4, 4, 8, 8)
    alphas_cumprod = scheduler.alphas_cumprod[timesteps]
    ours = add_noise(latents, noise, alphas_cumprod)
    torch.testing.assert_close(ours, scheduler.add_noise(latents, noise, timesteps))
    velocity = denoising_target(latents, noise, alphas_cumprod, "v_prediction")
    torch.testing.assert_close(velocity, scheduler.get_velocity(latents, noise, timesteps))


def test_min_snr_weights_by_hand() -> None:
    """alphas_cumprod 0.9 is snr 9, 0.5 is snr 1; gamma 5 caps the first alone."""
    alphas_cumprod = torch.tensor([0.9, 0.5])
    epsilon = min_snr_weights(alphas_cumprod, 5.0, "epsilon")
    velocity = min_snr_weights(alphas_cumprod, 5.0, "v_prediction")
    assert epsilon.tolist() == pytest.approx([5 / 9, 1.0])
    assert velocity.tolist() == pytest.approx([5 / 10, 1 / 2])


def test_min_snr_weights_agree_with_the_ratio_of_diffusers() -> None:
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    timesteps = torch.arange(1000)
    snr = compute_snr(scheduler, timesteps)
    capped = snr.clamp(max=5.0)
    ours = min_snr_weights(scheduler.alphas_cumprod, 5.0, "epsilon")
    torch.testing.assert_close(ours, capped / snr)
    ours = min_snr_weights(scheduler.alphas_cumprod, 5.0, "v_prediction")
    torch.testing.assert_close(ours, capped / (snr + 1))


@pytest.mark.parametrize(
    ("prediction_type", "at_pure_noise"), [("epsilon", 1.0), ("v_prediction", 0)]
)
def test_pure_noise_divides_by_nothing(prediction_type: str, at_pure_noise: float) -> None:
    weights = min_snr_weights(torch.tensor([0.0, 1.0]), 5.0, prediction_type)  # type: ignore[arg-type]
    assert weights.tolist() == [at_pure_noise, 0.0]


def test_an_example_draws_the_same_in_any_company(tiny_base: BaseModel) -> None:
    together = denoising_loss(tiny_base, batch([3, 5]), Objective(), STREAMS)
    alone = [denoising_loss(tiny_base, batch([i]), Objective(), STREAMS) for i in (3, 5)]
    assert together.item() == pytest.approx((alone[0] + alone[1]).item() / 2, rel=1e-5)


def test_weights_scale_each_examples_loss(tiny_base: BaseModel) -> None:
    alone = denoising_loss(tiny_base, batch([3]), Objective(), STREAMS)
    weighted = batch([3, 5])
    weighted.weights = torch.tensor([2.0, 0.0])
    assert denoising_loss(tiny_base, weighted, Objective(), STREAMS).item() == pytest.approx(
        alone.item(), rel=1e-5
    )


@pytest.mark.parametrize(
    "objective",
    [
        Objective(snr_gamma=5.0),
        Objective(noise_offset=0.5),
        Objective(prediction_type="v_prediction"),
        Objective(min_timestep=900),
    ],
)
def test_every_setting_of_the_objective_counts(tiny_base: BaseModel, objective: Objective) -> None:
    plain = denoising_loss(tiny_base, batch([3, 5]), Objective(), STREAMS)
    changed = denoising_loss(tiny_base, batch([3, 5]), objective, STREAMS)
    assert changed.isfinite()
    assert changed.item() != pytest.approx(plain.item(), rel=1e-6)


def test_the_last_timestep_of_a_zero_terminal_snr_base_is_finite(tiny_base: BaseModel) -> None:
    base = replace(
        tiny_base,
        noise_scheduler=DDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction"),
    )
    objective = Objective(snr_gamma=5.0, min_timestep=999)
    assert denoising_loss(base, batch([0, 1]), objective, STREAMS).isfinite()


def test_captions_are_encoded_with_gradient_where_no_states_are_given(tiny_base: BaseModel) -> None:
    weight = tiny_base.text_encoder.get_submodule("encoder.layers.0.self_attn.q_proj").weight
    weight.requires_grad_(True)
    denoising_loss(tiny_base, batch([1], ["a cat"]), Objective(), STREAMS).backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_a_family_whose_text_cannot_be_encoded_is_refused(tiny_base: BaseModel) -> None:
    with pytest.raises(BaseModelError, match="family sdxl"):
        denoising_loss(replace(tiny_base, family="sdxl"), batch([1], ["x"]), Objective(), STREAMS)
