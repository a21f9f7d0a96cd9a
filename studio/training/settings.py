"""The recipe's sections for the engine: how long, how, and what is kept and measured. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from studio.settings import Section
from studio.training.optimizer_settings import OptimizerSettings

__all__ = [
    "BudgetSettings",
    "CheckpointSettings",
    "LossSettings",
    "OptimizerSettings",
    "PrecisionSettings",
    "ValidationSettings",
]

Timestep = Annotated[int, Field(ge=0, le=999)]


class BudgetSettings(Section):
    """How long to train: exactly one of the three."""

    steps: int | None = Field(None, ge=1)
    """Optimizer steps."""

    steps_per_image: float | None = Field(None, gt=0)
    """How often each picture is seen: 100 to 150 is the experience to start from. Pictures seen are
    optimizer steps x batch size x accumulation."""

    minutes: float | None = Field(None, gt=0)
    """Wall-clock minutes of training; the number of steps is fixed from the pace of the first ones, and
    recorded, so that a rerun repeats them."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [n for n in ("steps", "steps_per_image", "minutes") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of steps, steps_per_image and minutes; given: "
                f"{', '.join(given) or 'none'}"
            )
        return self


class LossSettings(Section):
    """What counts as an error."""

    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    """What the U-Net predicts. Empty: what the base model's scheduler says; change it only for a base
    whose configuration is wrong."""

    zero_terminal_snr: bool | None = None
    """Make the last timestep pure noise (Lin et al., 2023, arXiv 2305.08891), for true blacks and whites.
    Only for v_prediction, and sampling must do the same. Empty: what the base model's scheduler says."""

    snr_gamma: float | None = Field(None, gt=0)
    """Min-SNR weighting (Hang et al., 2023, arXiv 2303.09556); 5 is the paper's value. Empty: off."""

    debiased: bool = False
    """Weigh timesteps by 1/sqrt(SNR) (Yu et al., 2023, arXiv 2310.08442): noisy ones count more, which
    is where composition and colour are made. Instead of ``snr_gamma``."""

    min_timestep: int = Field(0, ge=0, le=999)
    """First timestep to train on; 0 is the least noise."""

    max_timestep: int = Field(999, ge=0, le=999)
    """Last timestep to train on; 999 is pure noise."""

    timestep_distribution: Literal["uniform", "logit_normal", "power"] = "uniform"
    """How timesteps are drawn between the first and the last. ``logit_normal`` prefers the middle (Esser
    et al., 2024, arXiv 2403.03206), ``power`` one of the ends."""

    logit_mean: float = Field(0.0, ge=-5, le=5)
    """For ``logit_normal``: where most timesteps lie. 0: in the middle; below: less noise, for detail;
    above: more noise, for composition. Usual: -1 to 1."""

    logit_std: float = Field(1.0, gt=0, le=5)
    """For ``logit_normal``: how far timesteps spread. Usual: 1."""

    timestep_exponent: float = Field(1.0, gt=0, le=10)
    """For ``power``: exponent of the uniform draw. Above 1: more timesteps of little noise, for detail;
    below 1: more of much noise. Usual: 0.5 to 2."""

    loss_type: Literal["mse", "huber", "smooth_l1"] = "mse"
    """What an error costs. ``huber`` is its square while it is small and grows no faster than the error
    beyond, so pictures that do not belong pull less; ``smooth_l1`` is the same over ``huber_c``, so large
    errors cost alike at every timestep."""

    huber_c: float = Field(0.1, gt=0, le=1)
    """Error at which the Huber losses go over from one to the other. Usual: 0.1; less forgives more."""

    huber_schedule: Literal["constant", "exponential", "snr"] = "snr"
    """Course of ``huber_c`` over the timesteps (Khrapov et al., 2024, arXiv 2403.16728): ``exponential``
    and ``snr`` begin at 1, nearly a squared error, where there is little noise, and fall to it."""

    noise_offset: float = Field(0.0, ge=0.0, le=1.0)
    """Share of noise that is constant over each channel, for darker darks and brighter lights."""

    multires_noise_iterations: int = Field(0, ge=0, le=10)
    """Coarser levels added to the noise (Whitaker, 2023), with an effect like ``noise_offset``'s on large
    shapes too. Usual: 6 to 10; 0: off."""

    multires_noise_discount: float = Field(0.3, gt=0, le=1)
    """Weight of each coarser level relative to the one before. Usual: 0.1 to 0.4 for small sets."""

    input_perturbation: float = Field(0.0, ge=0.0, le=1.0)
    """Share of extra noise in what the U-Net reads, not in what it is to predict (Ning et al., 2023,
    arXiv 2301.11706). The paper's value is 0.1; 0: off."""

    masked_loss: bool = False
    """Count errors where a picture's mask is white, not where it is black; see the dataset's masks."""

    unmasked_weight: float = Field(0.0, ge=0.0, le=1.0)
    """For ``masked_loss``: weight of errors where the mask is black. A little, such as 0.1, keeps the
    surroundings from falling apart."""

    @model_validator(mode="after")
    def _some_timesteps(self) -> Self:
        if self.min_timestep > self.max_timestep:
            raise ValueError(
                f"min_timestep {self.min_timestep} is above max_timestep {self.max_timestep}; "
                "no timestep is left to train on"
            )
        return self

    @model_validator(mode="after")
    def _one_weighting(self) -> Self:
        if self.snr_gamma is not None and self.debiased:
            raise ValueError(
                f"snr_gamma {self.snr_gamma} and debiased are two weightings of the same timesteps; "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _pure_noise_needs_velocity(self) -> Self:
        if self.zero_terminal_snr and self.prediction_type == "epsilon":
            raise ValueError(
                "zero_terminal_snr does not work with the prediction_type epsilon, which at pure noise "
                "says nothing of the picture; leave it out, or use v_prediction"
            )
        return self

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        logit_normal = self.timestep_distribution == "logit_normal"
        huber = self.loss_type != "mse"
        needs = {
            "logit_mean": (logit_normal, "timestep_distribution: logit_normal"),
            "logit_std": (logit_normal, "timestep_distribution: logit_normal"),
            "timestep_exponent": (
                self.timestep_distribution == "power",
                "timestep_distribution: power",
            ),
            "huber_c": (huber, "loss_type: huber or smooth_l1"),
            "huber_schedule": (huber, "loss_type: huber or smooth_l1"),
            "multires_noise_discount": (
                self.multires_noise_iterations > 0,
                "multires_noise_iterations",
            ),
            "unmasked_weight": (self.masked_loss, "masked_loss: true"),
        }
        for name, (met, need) in needs.items():
            value = getattr(self, name)
            if not met and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} {value} has no effect without {need}; add it")
        return self


class PrecisionSettings(Section):
    """Number formats and determinism."""

    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    """Format of the forward pass. On the CPU ``no`` is fastest. ``bf16`` has fp32's range; ``fp16`` has
    not, so its loss is scaled and a step that overflows is left out. Adapter weights are always fp32."""

    base_dtype: Literal["fp32", "fp16", "bf16", "int8", "nf4"] = "fp32"
    """Format that the frozen base is kept in while training. ``bf16`` and ``fp16`` halve its memory;
    ``int8`` and ``nf4`` (QLoRA, Dettmers et al., 2023, arXiv 2305.14314) take its linear layers to a
    quarter and an eighth, slower, ``nf4`` with a loss of fineness. ``fp16`` needs a GPU and
    ``mixed_precision: fp16``. The VAE stays in fp32, and the adapter is tried on the base as it came."""

    deterministic: bool = True
    """Use only kernels whose results repeat. On the CPU it costs nothing."""

    gradient_checkpointing: bool = False
    """Compute activations twice to keep fewer of them: less memory, about a quarter slower."""

    num_threads: int | None = Field(None, ge=1)
    """CPU threads. Empty: as many as there are idle cores when the run starts. The lock keeps the
    number, for sums over another number of threads round differently."""

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _off_is_no(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare "no" as false, and editors and other programs write it so.
        return "no" if str(value).lower() in ("no", "off", "false") else value

    @model_validator(mode="after")
    def _half_needs_scaling(self) -> Self:
        if self.base_dtype == "fp16" and self.mixed_precision != "fp16":
            raise ValueError(
                f"base_dtype fp16 with mixed_precision {self.mixed_precision} would lose small "
                "gradients, which only mixed_precision: fp16 scales; set that, or take base_dtype bf16"
            )
        return self


class CheckpointSettings(Section):
    """What is kept to resume from."""

    every_steps: int = Field(100, ge=1)
    """Optimizer steps between checkpoints."""

    keep: int = Field(2, ge=1)
    """Newest checkpoints to keep."""


class ValidationSettings(Section):
    """The loss on held-out pictures (``dataset.validation_share``) before, during and after training, at
    the same timesteps and with the same noise each time: it falls while what is learned is common to the
    pictures, and rises once training learns them by heart.
    """

    enabled: bool = True
    """Measure where pictures are held out."""

    every_steps: int = Field(100, ge=0)
    """Optimizer steps between measurements. 0: only before and after training."""

    timesteps: tuple[Timestep, ...] = Field((100, 300, 500, 700, 900), min_length=1, max_length=20)
    """Timesteps measured at, between 0 (least noise) and 999. Each costs a forward pass a picture."""

    max_pictures: int = Field(8, ge=1)
    """Held-out pictures measured on, at most. More are surer and slower."""

    @field_validator("timesteps")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"{list(value)} names a timestep twice; name each once")
        return value
