from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr

from studio.training.objective import PredictionType
from studio.training.snr_weights import debiased_weights, min_snr_weights

SCHEDULER = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
SNR = compute_snr(SCHEDULER, torch.arange(1000))


def test_min_snr_weights_by_hand() -> None:
    """alphas_cumprod 0.9 is snr 9, 0.5 is snr 1; gamma 5 caps the first alone."""
    alphas_cumprod = torch.tensor([0.9, 0.5])
    epsilon = min_snr_weights(alphas_cumprod, 5.0, "epsilon")
    velocity = min_snr_weights(alphas_cumprod, 5.0, "v_prediction")
    assert epsilon.tolist() == pytest.approx([5 / 9, 1.0])
    assert velocity.tolist() == pytest.approx([5 / 10, 1 / 2])


def test_min_snr_weights_agree_with_the_ratio_of_diffusers() -> None:
    capped = SNR.clamp(max=5.0)
    ours = min_snr_weights(SCHEDULER.alphas_cumprod, 5.0, "epsilon")
    torch.testing.assert_close(ours, capped / SNR)
    ours = min_snr_weights(SCHEDULER.alphas_cumprod, 5.0, "v_prediction")
    torch.testing.assert_close(ours, capped / (SNR + 1))


def test_debiased_weights_by_hand() -> None:
    """alphas_cumprod 0.8 is snr 4: 1/sqrt(4) for the noise, sqrt(4)/(4 + 1) for the velocity."""
    alphas_cumprod = torch.tensor([0.8, 0.5])
    assert debiased_weights(alphas_cumprod, "epsilon").tolist() == pytest.approx([0.5, 1.0])
    assert debiased_weights(alphas_cumprod, "v_prediction").tolist() == pytest.approx([0.4, 0.5])


def test_debiased_weights_agree_with_the_ratio_of_diffusers() -> None:
    ours = debiased_weights(SCHEDULER.alphas_cumprod, "epsilon")
    torch.testing.assert_close(ours, 1 / SNR.sqrt(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("alphas_cumprod", [0.1, 0.5, 0.97])
def test_a_weighted_error_in_x0_counts_the_same_whatever_is_predicted(
    alphas_cumprod: float,
) -> None:
    """One x0 that is wrong by 0.3, as wrong noise and as wrong velocity at the same noisy latents."""
    a = torch.tensor([alphas_cumprod])
    error_in_x0 = 0.3
    # noise = (noisy - signal x0) / sigma; velocity = signal noise - sigma x0
    error_in_noise = -a.sqrt() / (1 - a).sqrt() * error_in_x0
    error_in_velocity = a.sqrt() * error_in_noise - (1 - a).sqrt() * error_in_x0
    for weights in (lambda kind: min_snr_weights(a, 5.0, kind), lambda k: debiased_weights(a, k)):
        by_noise = weights("epsilon") * error_in_noise**2
        by_velocity = weights("v_prediction") * error_in_velocity**2
        torch.testing.assert_close(by_noise, by_velocity)


@pytest.mark.parametrize(
    ("prediction_type", "at_pure_noise"), [("epsilon", 1.0), ("v_prediction", 0.0)]
)
def test_pure_noise_and_pure_signal_divide_by_nothing(
    prediction_type: PredictionType, at_pure_noise: float
) -> None:
    extremes = torch.tensor([0.0, 1.0])
    assert min_snr_weights(extremes, 5.0, prediction_type).tolist() == [at_pure_noise, 0.0]
    assert debiased_weights(extremes, prediction_type).tolist() == [0.0, 0.0]
