"""What the engine minimises: the recipe's ``loss:`` section as the maths reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from studio.bases.base_model import BaseModel
from studio.errors import RecipeError

PredictionType = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class Objective:
    """How model output and noise become a loss. The defaults are plain denoising, as bases are trained.

    Attributes:
        prediction_type: what the U-Net predicts; None: what the base's noise scheduler says.
        zero_terminal_snr: whether the last timestep is pure noise; None: what the scheduler says.
        snr_gamma: cap of the min-SNR weighting; None: off.
        debiased: weigh by 1/sqrt(SNR).
        min_timestep, max_timestep: first and last timestep to train on, both included.
        timestep_distribution: how timesteps are drawn between them.
        logit_mean, logit_std: of the normal distribution behind ``logit_normal``.
        timestep_exponent: of the uniform draw behind ``power``.
        loss_type: what an error of one latent value costs.
        huber_c: error at which the Huber losses go over from squares to distances.
        huber_schedule: how ``huber_c`` changes with the timestep.
        noise_offset: standard deviation of the noise that is constant over each channel.
        multires_noise_iterations: coarser levels in the noise.
        multires_noise_discount: weight of a level relative to the one before it.
        input_perturbation: standard deviation of noise that only the U-Net's input gets.
        masked_loss: whether a batch's masks weigh the errors.
        unmasked_weight: weight of an error where the mask is 0.
    """

    prediction_type: PredictionType | None = None
    zero_terminal_snr: bool | None = None
    snr_gamma: float | None = None
    debiased: bool = False
    min_timestep: int = 0
    max_timestep: int = 999
    timestep_distribution: Literal["uniform", "logit_normal", "power"] = "uniform"
    logit_mean: float = 0.0
    logit_std: float = 1.0
    timestep_exponent: float = 1.0
    loss_type: Literal["mse", "huber", "smooth_l1"] = "mse"
    huber_c: float = 0.1
    huber_schedule: Literal["constant", "exponential", "snr"] = "snr"
    noise_offset: float = 0.0
    multires_noise_iterations: int = 0
    multires_noise_discount: float = 0.3
    input_perturbation: float = 0.0
    masked_loss: bool = False
    unmasked_weight: float = 0.0

    def prediction_type_for(self, base: BaseModel) -> PredictionType:
        noise_scheduler: Any = base.noise_scheduler
        given: PredictionType = self.prediction_type or noise_scheduler.config.prediction_type
        return given

    def require_fit(self, base: BaseModel) -> None:
        """Refuse what cannot be learned on this base.

        Raises:
            RecipeError: a last timestep of pure noise, of which epsilon says nothing about the picture;
                what counts timesteps, on a base that is told noise levels; or timesteps that the base
                was not trained on.
        """
        noise_scheduler: Any = base.noise_scheduler
        if noise_scheduler.config.get("timestep_type") == "continuous":
            self._require_continuous(base)
        if self.min_timestep >= base.num_trained_timesteps:
            raise RecipeError(
                [
                    f"loss.min_timestep: {self.min_timestep}, but {base.name} was trained on the timesteps "
                    f"up to {base.num_trained_timesteps - 1}; lower it"
                ]
            )
        if self.zero_terminal_snr and self.prediction_type_for(base) == "epsilon":
            raise RecipeError(
                [
                    f"loss.zero_terminal_snr: true, but {base.name} predicts epsilon, which at pure noise "
                    "says nothing of the picture; leave it out, or choose a v_prediction base"
                ]
            )

    def _require_continuous(self, base: BaseModel) -> None:
        given = {
            "prediction_type": self.prediction_type == "epsilon" and "epsilon",
            "zero_terminal_snr": self.zero_terminal_snr and "true",
            "huber_schedule": (
                self.loss_type != "mse" and self.huber_schedule == "exponential" and "exponential"
            ),
        }
        problems = [
            f"loss.{name}: {value}, but {base.name} was trained on a continuous scale of noise, which "
            f"has no such thing; leave it out"
            for name, value in given.items()
            if value
        ]
        if problems:
            raise RecipeError(problems)
