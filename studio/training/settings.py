"""The recipe's sections for the engine: budget, optimizer, loss, precision, checkpoints. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from studio.settings import Section

Beta = Annotated[float, Field(ge=0, lt=1)]


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


class OptimizerSettings(Section):
    """How weights move."""

    name: Literal["adamw", "sgd"] = "adamw"
    """The algorithm."""

    learning_rate: float = Field(1e-4, gt=0, le=10)
    """Size of a step. LoRA on Stable Diffusion: 1e-4; on pocket, which is small: 1e-3."""

    weight_decay: float = Field(0.01, ge=0)
    """Pull of the weights towards zero."""

    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """AdamW's memory for the gradient and its square."""

    train_batch_size: int = Field(4, ge=1)
    """Pictures in one forward pass."""

    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes to one optimizer step: a larger batch for the same memory."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients longer than this are shortened to it."""

    lr_scheduler: Literal[
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"
    ] = "cosine"
    """Course of the learning rate over the run."""

    lr_warmup_steps: int = Field(20, ge=0)
    """Optimizer steps over which the learning rate rises from zero; none for ``constant``. Left out: 20,
    or a tenth of ``budget.steps`` where that is less."""

    ema_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Exponential moving average of the adapter's weights, exported instead of the last ones. 0: off."""


class LossSettings(Section):
    """What counts as an error."""

    snr_gamma: float | None = Field(None, gt=0)
    """Min-SNR weighting (Hang et al., 2023, arXiv 2303.09556); 5 is the paper's value. Empty: off."""

    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    """What the U-Net predicts. Empty: what the base model's scheduler says; change it only for a base
    whose configuration is wrong."""

    min_timestep: int = Field(0, ge=0, le=999)
    """First timestep to train on; 0 is the least noise."""

    max_timestep: int = Field(999, ge=0, le=999)
    """Last timestep to train on; 999 is pure noise."""

    noise_offset: float = Field(0.0, ge=0.0, le=1.0)
    """Share of noise that is constant over each channel, for darker darks and brighter lights."""

    @model_validator(mode="after")
    def _some_timesteps(self) -> Self:
        if self.min_timestep > self.max_timestep:
            raise ValueError(
                f"min_timestep {self.min_timestep} is above max_timestep {self.max_timestep}; "
                "no timestep is left to train on"
            )
        return self

    @model_validator(mode="after")
    def _timesteps_in_order(self) -> Self:
        if self.min_timestep > self.max_timestep:
            raise ValueError(
                f"min_timestep {self.min_timestep} is above max_timestep {self.max_timestep}"
            )
        return self


class PrecisionSettings(Section):
    """Number formats and determinism."""

    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    """Format of the forward pass. On the CPU ``no`` is fastest. Adapter weights are always fp32."""

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


class CheckpointSettings(Section):
    """What is kept to resume from."""

    every_steps: int = Field(100, ge=1)
    """Optimizer steps between checkpoints."""

    keep: int = Field(2, ge=1)
    """Newest checkpoints to keep."""
