"""The noise schedule: how much signal a timestep leaves, and what becomes of latents and noise by it.

Notation as in Ho et al. (2020, arXiv 2006.11239): ``alphas_cumprod[t]`` is the share of signal power
that is left at timestep t, and the signal-to-noise ratio is ``alphas_cumprod / (1 - alphas_cumprod)``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from studio.training.objective import PredictionType


def alphas_cumprod_of(noise_scheduler: Any, zero_terminal_snr: bool | None) -> Tensor:
    """The schedule to train with, (num_train_timesteps,), fp32 on the CPU.

    Args:
        noise_scheduler: the base's, of any of diffusers' classes.
        zero_terminal_snr: whether the last timestep is pure noise; None: what the scheduler says.
    """
    alphas_cumprod: Tensor = noise_scheduler.alphas_cumprod
    if zero_terminal_snr is None:
        return alphas_cumprod
    if noise_scheduler.config.get("rescale_betas_zero_snr"):
        # Some classes end at 2^-24 where others end at zero, so theirs is no schedule to start from.
        given = noise_scheduler.config
        plain = type(noise_scheduler).from_config(given, rescale_betas_zero_snr=False)
        alphas_cumprod = plain.alphas_cumprod
    return rescaled_to_zero_terminal_snr(alphas_cumprod) if zero_terminal_snr else alphas_cumprod


def rescaled_to_zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """The schedule shifted so that nothing of the picture is left at the last timestep.

    The root is moved to end at zero and stretched to begin where it began (Lin et al., 2023, arXiv
    2305.08891, algorithm 1). A schedule that ends at zero already comes back as it is.
    """
    root = alphas_cumprod.sqrt()
    first, last = root[0], root[-1]
    rescaled: Tensor = ((root - last) * first / (first - last)) ** 2
    return rescaled


def add_noise(latents: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Latents as they are at a timestep.

    Args:
        latents, noise: (batch, channels, height, width).
        alphas_cumprod: (batch,), at each example's timestep.
    """
    signal, sigma = _signal_and_sigma(alphas_cumprod)
    return signal * latents + sigma * noise


def denoising_target(
    latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, prediction_type: PredictionType
) -> Tensor:
    """What the U-Net should say: the noise, or the velocity of Salimans & Ho (2022, arXiv 2202.00512)."""
    if prediction_type == "epsilon":
        return noise
    signal, sigma = _signal_and_sigma(alphas_cumprod)
    return signal * noise - sigma * latents


def _signal_and_sigma(alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    shaped = alphas_cumprod[:, None, None, None]
    return shaped.sqrt(), (1 - shaped).sqrt()
