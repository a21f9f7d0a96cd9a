"""Weights on the squared error that make timesteps count by their signal-to-noise ratio.

One error in the picture is several in what the U-Net predicts: with snr = a / (1 - a), an error in the
noise is snr times one in x0 and an error in the velocity snr + 1 times. Each scheme says what an error
in x0 (or in the noise) shall count; dividing gives the weight for either prediction. All of it is
written in a = alphas_cumprod rather than in the ratio, so that pure noise (snr 0, zero terminal SNR)
and pure signal (snr infinite) divide by nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from studio.training.objective import PredictionType


def min_snr_weights(
    alphas_cumprod: Tensor, snr_gamma: float, prediction_type: PredictionType
) -> Tensor:
    """Min-SNR-gamma weights (Hang et al., 2023, arXiv 2303.09556), (batch,).

    An error in x0 counts min(snr, gamma): min(snr, gamma)/snr = min(1, gamma (1 - a)/a) for the noise,
    min(snr, gamma)/(snr + 1) = min(a, gamma (1 - a)) for the velocity.
    """
    capped = snr_gamma * (1 - alphas_cumprod)
    if prediction_type == "v_prediction":
        return torch.minimum(alphas_cumprod, capped)
    return torch.where(capped < alphas_cumprod, capped / alphas_cumprod.clamp(min=1e-12), 1.0)


def debiased_weights(alphas_cumprod: Tensor, prediction_type: PredictionType) -> Tensor:
    """Debiased estimation weights (Yu et al., 2023, arXiv 2310.08442), (batch,).

    An error in the noise counts 1/sqrt(snr) = sqrt((1 - a)/a), which is sqrt(snr) for one in x0. The
    velocity's weight that comes to the same is sqrt(snr)/(snr + 1) = sqrt(a (1 - a)). At pure noise,
    where the paper's weight is infinite, predicted noise says nothing of the picture: it counts 0.
    """
    if prediction_type == "v_prediction":
        return (alphas_cumprod * (1 - alphas_cumprod)).sqrt()
    ratio = (1 - alphas_cumprod) / alphas_cumprod.clamp(min=1e-12)
    return torch.where(alphas_cumprod > 0, ratio.sqrt(), 0.0)
