"""The noise schedule: how much signal a timestep leaves, and what becomes of latents and noise by it.

Notation as in Ho et al. (2020, arXiv 2006.11239): ``alphas_cumprod[t]`` is the share of signal power
that is left at timestep t, and the signal-to-noise ratio is ``alphas_cumprod / (1 - alphas_cumprod)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.training.objective import PredictionType

LOG_SIGMA_MEAN, LOG_SIGMA_STD = 0.7, 1.6
"""Of ln(sigma) in training, as Stable Video Diffusion learned to make clips of pictures (Blattmann et
al., 2023, arXiv 2311.15127, appendix D)."""


@dataclass(frozen=True)
class NoiseLevels:
    """How noisy each example of a batch is; on the CPU.

    Attributes:
        timesteps: (batch,), as the U-Net is told.
        alphas_cumprod: (batch,), fp32.
    """

    timesteps: Tensor
    alphas_cumprod: Tensor


def is_continuous(noise_scheduler: Any) -> bool:
    """Whether the U-Net is told the noise level itself and not the number of a timestep.

    Such bases were trained as Karras et al. (2022, arXiv 2206.00364) propose: sigma is drawn from a
    log-normal distribution, the U-Net is told ln(sigma) / 4. Their preconditioning with a data variance
    of 1 is v-prediction where ``alphas_cumprod`` is 1 / (1 + sigma^2), and their loss weight is v's own.
    """
    config = noise_scheduler.config
    continuous: bool = config.get("timestep_type") == "continuous"
    return continuous and config.prediction_type == "v_prediction"


def noise_levels(
    noise_scheduler: Any, places: Tensor, zero_terminal_snr: bool | None
) -> NoiseLevels:
    """The noise at places of the schedule, whatever its kind.

    Args:
        places: (batch,), fp64 in [0, num_train_timesteps); the whole part is a timestep's number. On a
            continuous scale it is the share of all draws in training that have less noise.
    """
    if is_continuous(noise_scheduler):
        return _continuous_levels(noise_scheduler, places)
    timesteps = places.long()
    return NoiseLevels(timesteps, alphas_cumprod_of(noise_scheduler, zero_terminal_snr)[timesteps])


def _continuous_levels(noise_scheduler: Any, places: Tensor) -> NoiseLevels:
    config = noise_scheduler.config
    normal = torch.special.ndtri(places.double() / config.num_train_timesteps)
    sigmas = (LOG_SIGMA_MEAN + LOG_SIGMA_STD * normal).exp()
    sigmas = sigmas.clamp(config.sigma_min or 0.0, config.sigma_max or math.inf)
    return NoiseLevels((sigmas.log() / 4).float(), (1 / (1 + sigmas.square())).float())


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
        latents, noise: (batch, channels, height, width); of clips with frames before the channels.
        alphas_cumprod: (batch,), at each example's timestep.
    """
    signal, sigma = _signal_and_sigma(alphas_cumprod, latents)
    return signal * latents + sigma * noise


def denoising_target(
    latents: Tensor, noise: Tensor, alphas_cumprod: Tensor, prediction_type: PredictionType
) -> Tensor:
    """What the U-Net should say: the noise, or the velocity of Salimans & Ho (2022, arXiv 2202.00512)."""
    if prediction_type == "epsilon":
        return noise
    signal, sigma = _signal_and_sigma(alphas_cumprod, latents)
    return signal * noise - sigma * latents


def _signal_and_sigma(alphas_cumprod: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Factors for each example, in as many dimensions as the latents have."""
    shaped = alphas_cumprod.reshape(-1, *[1] * (latents.dim() - 1))
    return shaped.sqrt(), (1 - shaped).sqrt()
