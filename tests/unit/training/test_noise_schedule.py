from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler, PNDMScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

from studio.training.noise_schedule import (
    add_noise,
    alphas_cumprod_of,
    denoising_target,
    rescaled_to_zero_terminal_snr,
)

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


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


def test_zero_terminal_snr_by_hand() -> None:
    """Roots 0.9, 0.5, 0.1 become 0.9, 0.45, 0: moved by 0.1, stretched by 0.9/0.8."""
    rescaled = rescaled_to_zero_terminal_snr(torch.tensor([0.81, 0.25, 0.01]))
    assert rescaled.tolist() == pytest.approx([0.81, 0.2025, 0.0])
    assert rescaled[-1] == 0


def test_zero_terminal_snr_agrees_with_diffusers() -> None:
    scheduler = DDPMScheduler(**SD)
    betas = rescale_zero_terminal_snr(scheduler.betas)
    theirs = torch.cumprod(1 - betas, dim=0)
    ours = rescaled_to_zero_terminal_snr(scheduler.alphas_cumprod)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(rescaled_to_zero_terminal_snr(ours), ours)


@pytest.mark.parametrize("kind", [DDPMScheduler, EulerDiscreteScheduler])
def test_the_schedule_is_the_bases_unless_the_recipe_says_otherwise(kind: Any) -> None:
    plain, rescaled = kind(**SD), kind(**SD, rescale_betas_zero_snr=True)
    assert alphas_cumprod_of(plain, None) is plain.alphas_cumprod
    assert alphas_cumprod_of(rescaled, None) is rescaled.alphas_cumprod
    assert alphas_cumprod_of(plain, False) is plain.alphas_cumprod
    assert alphas_cumprod_of(rescaled, False).equal(plain.alphas_cumprod)
    assert alphas_cumprod_of(plain, True).equal(alphas_cumprod_of(rescaled, True))
    assert alphas_cumprod_of(plain, True)[-1] == 0


def test_a_scheduler_that_knows_no_zero_terminal_snr_is_rescaled_too() -> None:
    scheduler = PNDMScheduler(**SD)
    assert alphas_cumprod_of(scheduler, True)[-1] == 0
    assert alphas_cumprod_of(scheduler, False) is scheduler.alphas_cumprod
