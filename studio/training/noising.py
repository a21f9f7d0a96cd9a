"""A batch at its timesteps: what the U-Net is shown, and all that is needed to judge its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.examples.batch import Batch
from studio.training.noise import draw_noise, draw_perturbation
from studio.training.noise_schedule import add_noise, noise_levels
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.timesteps import draw_places


@dataclass(frozen=True)
class Noised:
    """Latents with noise, on the batch's device.

    Attributes:
        noisy_latents: (batch, channels, height, width), the U-Net's input; of clips with frames before
            the channels.
        noise: what was added, to be predicted; without any input perturbation.
        timesteps: (batch,), int64; where the U-Net is told the noise level itself, that, fp32.
        alphas_cumprod: (batch,), at the timesteps; of the rescaled schedule where one is asked for.
        num_train_timesteps: the length of the schedule.
    """

    noisy_latents: Tensor
    noise: Tensor
    timesteps: Tensor
    alphas_cumprod: Tensor
    num_train_timesteps: int = 1000


def add_noise_to(
    base: BaseModel, batch: Batch, objective: Objective, streams: RandomStreams
) -> Noised:
    """The batch's latents at timesteps of their own.

    Noise and timestep of each example are drawn by (view, item), so they do not depend on who else is
    in the batch.
    """
    device = batch.latents.device
    noise_scheduler: Any = base.noise_scheduler
    num_train_timesteps: int = noise_scheduler.config.num_train_timesteps
    places = draw_places(batch, objective, base.num_trained_timesteps, streams)
    levels = noise_levels(noise_scheduler, places, objective.zero_terminal_snr)
    alphas_cumprod = levels.alphas_cumprod.to(device)
    noise = draw_noise(batch, objective, streams).to(device)
    added = noise
    if objective.input_perturbation > 0:
        # Ning et al., 2023 (arXiv 2301.11706): the U-Net meets in training the errors it makes itself.
        perturbation = draw_perturbation(batch, streams).to(device)
        added = noise + objective.input_perturbation * perturbation
    return Noised(
        noisy_latents=add_noise(batch.latents, added, alphas_cumprod),
        noise=noise,
        timesteps=levels.timesteps.to(device),
        alphas_cumprod=alphas_cumprod,
        num_train_timesteps=num_train_timesteps,
    )
