"""The maths of denoising diffusion training: noise, target, weighting, loss.

Notation as in Ho et al. (2020, arXiv 2006.11239): ``alphas_cumprod[t]`` is the share of signal power
that is left at timestep t, and the signal-to-noise ratio is ``alphas_cumprod / (1 - alphas_cumprod)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from studio.bases.base_model import BaseModel
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.training.randomness import RandomStreams

PredictionType = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class Objective:
    """How model output and noise become a loss.

    Attributes:
        prediction_type: what the U-Net predicts; None: what the base's noise scheduler says.
        snr_gamma: cap of the min-SNR weighting (Hang et al., 2023, arXiv 2303.09556); None: off.
        min_timestep, max_timestep: first and last timestep to train on, both included.
        noise_offset: standard deviation of the noise that is constant over each channel.
    """

    prediction_type: PredictionType | None = None
    snr_gamma: float | None = None
    min_timestep: int = 0
    max_timestep: int = 999
    noise_offset: float = 0.0

    def prediction_type_for(self, base: BaseModel) -> PredictionType:
        noise_scheduler: Any = base.noise_scheduler
        given: PredictionType = self.prediction_type or noise_scheduler.config.prediction_type
        return given


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


def min_snr_weights(
    alphas_cumprod: Tensor, snr_gamma: float, prediction_type: PredictionType
) -> Tensor:
    """Min-SNR-gamma weights on the squared error, (batch,): min(snr, gamma) of the error in x0.

    An error in the noise counts snr times one in x0, an error in the velocity snr + 1 times. Written in
    alphas_cumprod rather than in their ratio, so that pure noise (snr 0, zero terminal SNR) and pure
    signal (snr infinite) divide by nothing: min(snr, gamma)/snr = min(1, gamma (1 - a)/a), and
    min(snr, gamma)/(snr + 1) = min(a, gamma (1 - a)).
    """
    capped = snr_gamma * (1 - alphas_cumprod)
    if prediction_type == "v_prediction":
        return torch.minimum(alphas_cumprod, capped)
    return torch.where(capped < alphas_cumprod, capped / alphas_cumprod.clamp(min=1e-12), 1.0)


def denoising_loss(
    base: BaseModel, batch: Batch, objective: Objective, streams: RandomStreams
) -> Tensor:
    """The weighted squared error of the U-Net's prediction, averaged over the batch: a scalar, fp32.

    Noise and timestep of each example are drawn by (view, item), so they do not depend on who else is
    in the batch.
    """
    device = batch.latents.device
    noise_scheduler: Any = base.noise_scheduler
    prediction_type = objective.prediction_type_for(base)
    noise = _draw_noise(batch, objective, streams).to(device)
    timesteps = _draw_timesteps(batch, objective, noise_scheduler, streams)
    alphas_cumprod = noise_scheduler.alphas_cumprod[timesteps].to(device)
    encoder_hidden_states = batch.encoder_hidden_states
    if encoder_hidden_states is None:
        encoder_hidden_states = encode_captions(base, batch.captions)

    noisy_latents = add_noise(batch.latents, noise, alphas_cumprod)
    model_pred = base.unet(
        noisy_latents.to(base.unet.dtype),
        timesteps.to(device),
        encoder_hidden_states.to(base.unet.dtype),
    ).sample
    target = denoising_target(batch.latents, noise, alphas_cumprod, prediction_type)

    errors = functional.mse_loss(model_pred.float(), target, reduction="none").mean(dim=(1, 2, 3))
    weights = batch.weights
    if objective.snr_gamma is not None:
        weights = weights * min_snr_weights(alphas_cumprod, objective.snr_gamma, prediction_type)
    return (weights * errors).mean()


def _signal_and_sigma(alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    shaped = alphas_cumprod[:, None, None, None]
    return shaped.sqrt(), (1 - shaped).sqrt()


def _draw_noise(batch: Batch, objective: Objective, streams: RandomStreams) -> Tensor:
    shape = batch.latents.shape[1:]
    noise = torch.stack([streams.normal(shape, "noise", *address) for address in batch.addresses])
    if objective.noise_offset == 0:
        return noise
    offsets = [streams.normal((shape[0], 1, 1), "noise_offset", *a) for a in batch.addresses]
    return noise + objective.noise_offset * torch.stack(offsets)


def _draw_timesteps(
    batch: Batch, objective: Objective, noise_scheduler: Any, streams: RandomStreams
) -> Tensor:
    last = min(objective.max_timestep, noise_scheduler.config.num_train_timesteps - 1)
    return torch.tensor(
        [
            streams.integer(objective.min_timestep, last + 1, "timestep", *address)
            for address in batch.addresses
        ]
    )
