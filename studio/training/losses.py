"""From a prediction and its target to one number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from studio.examples.batch import Batch
from studio.training.noising import Noised
from studio.training.objective import Objective, PredictionType
from studio.training.snr_weights import debiased_weights, min_snr_weights


def reconstruction_loss(  # noqa: PLR0917
    model_pred: Tensor,
    target: Tensor,
    noised: Noised,
    batch: Batch,
    objective: Objective,
    prediction_type: PredictionType,
) -> Tensor:
    """The weighted error of a prediction, averaged over the batch: a scalar, fp32.

    Args:
        model_pred, target: (batch, channels, height, width), both of ``prediction_type``; of clips with
            frames before the channels.
    """
    errors = _errors(model_pred.float(), target.float(), noised, objective)
    if objective.masked_loss and batch.masks is not None:
        errors_of_examples = masked_mean(errors, batch.masks, objective.unmasked_weight)
    else:
        errors_of_examples = errors.flatten(1).mean(dim=1)
    weights = batch.weights
    if objective.snr_gamma is not None:
        gamma = objective.snr_gamma
        weights = weights * min_snr_weights(noised.alphas_cumprod, gamma, prediction_type)
    elif objective.debiased:
        weights = weights * debiased_weights(noised.alphas_cumprod, prediction_type)
    return (weights * errors_of_examples).mean()


def huber_errors(model_pred: Tensor, target: Tensor, huber_c: Tensor) -> Tensor:
    """Pseudo-Huber 2 c (sqrt(x^2 + c^2) - c) of each value: x^2 where x is small, 2 c |x| where large."""
    return huber_c * smooth_l1_errors(model_pred, target, huber_c)


def smooth_l1_errors(model_pred: Tensor, target: Tensor, huber_c: Tensor) -> Tensor:
    """2 (sqrt(x^2 + c^2) - c) of each value: x^2 / c where x is small, 2 |x| where it is large."""
    squared = (model_pred - target) ** 2
    # The difference of the roots would lose all digits of an error much smaller than c.
    return 2 * squared / ((squared + huber_c**2).sqrt() + huber_c)


def scheduled_huber_c(noised: Noised, objective: Objective) -> Tensor:
    """Huber's c at the batch's timesteps, (batch,) (Khrapov et al., 2024, arXiv 2403.16728).

    Outliers do their harm at noisy timesteps and details are learned at clean ones, so c falls from 1,
    where the loss is all but a squared error, to ``huber_c``: exponentially in the timestep, or as
    (1 - c) / (1 + sigma)^2 + c in the noise level sigma = sqrt((1 - a)/a).
    """
    a, huber_c = noised.alphas_cumprod, objective.huber_c
    constant = torch.full_like(a, huber_c)
    if objective.huber_schedule == "constant":
        return constant
    if objective.huber_schedule == "exponential":
        return constant.pow(noised.timesteps / noised.num_train_timesteps)
    # 1 / (1 + sigma / signal), multiplied out: at pure noise there is no signal to divide by.
    signal_share = a.sqrt() / (a.sqrt() + (1 - a).sqrt())
    return (1 - huber_c) * signal_share**2 + huber_c


def masked_mean(errors: Tensor, masks: Tensor, unmasked_weight: float) -> Tensor:
    """Each example's mean error, (batch,), its places weighed by its mask.

    Divided by the mean weight, so a small mask narrows what is learned and does not weaken it. An
    example that is masked out everywhere counts 0.

    Args:
        errors: (batch, channels, height, width); of clips with frames before the channels.
        masks: (batch, 1, height, width) in [0, 1]; of a clip, all its frames'.
        unmasked_weight: of a place where the mask is 0; where it is 1 the weight is 1.
    """
    weights = unmasked_weight + (1 - unmasked_weight) * masks
    mean_weights = weights.mean(dim=(1, 2, 3)).clamp(min=1e-6)
    of_frames = weights.reshape(len(weights), *[1] * (errors.dim() - 4), *weights.shape[1:])
    return (errors * of_frames).flatten(1).mean(dim=1) / mean_weights


def _errors(model_pred: Tensor, target: Tensor, noised: Noised, objective: Objective) -> Tensor:
    """What each value's error costs, in the prediction's shape."""
    if objective.loss_type == "mse":
        return functional.mse_loss(model_pred, target, reduction="none")
    huber_c = scheduled_huber_c(noised, objective).reshape(-1, *[1] * (target.dim() - 1))
    if objective.loss_type == "huber":
        return huber_errors(model_pred, target, huber_c)
    return smooth_l1_errors(model_pred, target, huber_c)
