"""Denoising, the objective of every method: noise in, prediction out, one number for the error.

`denoising_loss` is all of it; a method with an objective of its own composes the same steps in another
way.
"""

from __future__ import annotations

from torch import Tensor

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.training.losses import reconstruction_loss
from studio.training.noise_schedule import denoising_target
from studio.training.noising import Noised, add_noise_to
from studio.training.objective import Objective, PredictionType
from studio.training.randomness import RandomStreams

__all__ = [
    "Noised",
    "Objective",
    "PredictionType",
    "add_noise_to",
    "conditioning_of",
    "denoising_loss",
    "denoising_target",
    "predict",
    "reconstruction_loss",
]


def denoising_loss(
    base: BaseModel, batch: Batch, objective: Objective, streams: RandomStreams
) -> Tensor:
    """The weighted error of the U-Net's prediction, averaged over the batch: a scalar, fp32."""
    noised = add_noise_to(base, batch, objective, streams)
    model_pred = predict(base, noised, conditioning_of(base, batch), batch.time_ids)
    prediction_type = objective.prediction_type_for(base)
    target = denoising_target(batch.latents, noised.noise, noised.alphas_cumprod, prediction_type)
    return reconstruction_loss(model_pred, target, noised, batch, objective, prediction_type)


def conditioning_of(base: BaseModel, batch: Batch) -> Conditioning:
    """What the batch's captions say to the U-Net: as it was cached, or encoded now, with gradients.

    Raises:
        BaseModelError: the base model's family reads no text.
    """
    return batch.conditioning or encode_captions(base, batch.captions)


def predict(
    base: BaseModel, noised: Noised, conditioning: Conditioning, time_ids: Tensor | None = None
) -> Tensor:
    """What the U-Net says of noisy latents, in their shape, fp32.

    Args:
        time_ids: as in `Batch`.
    """
    unet = base.unet
    model_pred = architecture_of(base).predict(
        base,
        noised.noisy_latents.to(unet.dtype),
        noised.timesteps,
        conditioning.to(unet.device, unet.dtype),
        time_ids,
    )
    return model_pred.float()
