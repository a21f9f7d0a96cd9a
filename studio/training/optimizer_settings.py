"""The recipe's ``optimizer:`` section, and what each algorithm can and cannot go with. No torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from studio.settings import Section

Beta = Annotated[float, Field(ge=0, lt=1)]

OPTIMIZER_DEFAULTS: dict[str, dict[str, Any]] = {
    "lion": {"learning_rate": 3e-5},
    "lion_8bit": {"learning_rate": 3e-5},
    "prodigy": {"learning_rate": 1.0},
    "adamw_schedule_free": {"lr_scheduler": "constant_with_warmup"},
}
"""What is different where a recipe names one of these and leaves the setting out."""

LIBRARIES = {
    "adamw_8bit": "bitsandbytes",
    "lion": "bitsandbytes",
    "lion_8bit": "bitsandbytes",
    "prodigy": "prodigyopt",
    "adamw_schedule_free": "schedulefree",
}
"""The package that brings an algorithm, where torch and transformers do not."""

PRODIGY_LEAST_LEARNING_RATE = 0.1


class OptimizerSettings(Section):
    """How weights move."""

    name: Literal[
        "adamw",
        "adamw_8bit",
        "lion",
        "lion_8bit",
        "adafactor",
        "prodigy",
        "adamw_schedule_free",
        "sgd",
    ] = "adamw"
    """The algorithm. ``adamw`` is the safe choice. ``adamw_8bit`` and ``lion_8bit`` need a quarter of
    the memory for their state, which matters when a whole U-Net trains; ``adafactor`` needs next to
    none. ``lion`` wants a third to a tenth of AdamW's learning rate. ``prodigy`` finds the learning rate
    itself. ``adamw_schedule_free`` needs no course of the learning rate and may be stopped at any
    time."""

    learning_rate: float = Field(1e-4, gt=0, le=10)
    """Size of a step. LoRA on Stable Diffusion: 1e-4; on pocket, which is small: 1e-3. Left out: 3e-5
    for lion, and 1 for prodigy, where it is a factor on what prodigy finds."""

    weight_decay: float = Field(0.01, ge=0)
    """Pull of the weights towards zero."""

    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """Memory for the gradient and for its square; sgd and adafactor do not read it."""

    d_coef: float = Field(1.0, gt=0, le=100)
    """Prodigy's factor on its own estimate of the step: 0.5 to 2 where it learns too fast or too slowly.
    Only for prodigy."""

    train_batch_size: int = Field(4, ge=1)
    """Pictures in one forward pass."""

    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes to one optimizer step: a larger batch for the same memory."""

    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients longer than this are shortened to it."""

    lr_scheduler: Literal[
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"
    ] = "cosine"
    """Course of the learning rate over the run. ``adamw_schedule_free`` takes ``constant`` or
    ``constant_with_warmup``, its own default."""

    lr_warmup_steps: int = Field(20, ge=0)
    """Optimizer steps over which the learning rate rises from zero; none for ``constant``. Left out: 20,
    or a tenth of ``budget.steps`` where that is less."""

    ema_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Exponential moving average of the adapter's weights, exported instead of the last ones. 0: off;
    usual: 0.99 to 0.9999. Not with ``adamw_schedule_free``, which averages by itself."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_algorithm(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {**OPTIMIZER_DEFAULTS.get(str(content.get("name")), {}), **content}

    @field_validator("name")
    @classmethod
    def _installed(cls, name: str) -> str:
        library = LIBRARIES.get(name)
        if library and find_spec(library) is None:
            raise ValueError(f"{name} needs a package that is missing here: pip install {library}")
        return name

    @field_validator("learning_rate")
    @classmethod
    def _a_factor_for_prodigy(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("name") == "prodigy" and value < PRODIGY_LEAST_LEARNING_RATE:
            raise ValueError(
                f"{value:g} is a factor on the learning rate that prodigy finds, and would stop it from "
                "learning; leave it out, or set 1"
            )
        return value

    @field_validator("betas")
    @classmethod
    def _an_average_for_schedule_free(
        cls, value: tuple[float, float], info: ValidationInfo
    ) -> tuple[float, float]:
        if info.data.get("name") == "adamw_schedule_free" and value[0] == 0:
            raise ValueError(
                "the first is 0, but adamw_schedule_free interpolates with it; set it to 0.9"
            )
        return value

    @field_validator("d_coef")
    @classmethod
    def _for_prodigy_alone(cls, value: float, info: ValidationInfo) -> float:
        name = info.data.get("name", "prodigy")
        if value != 1 and name != "prodigy":
            raise ValueError(f"{value:g} is read by prodigy alone, not by {name}; leave it out")
        return value

    @field_validator("lr_scheduler")
    @classmethod
    def _constant_for_schedule_free(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("name") == "adamw_schedule_free" and not value.startswith("constant"):
            raise ValueError(
                f'"{value}" works against adamw_schedule_free, whose average takes the place of a '
                "schedule; leave it out, or set constant or constant_with_warmup"
            )
        return value

    @field_validator("ema_decay")
    @classmethod
    def _one_average(cls, value: float, info: ValidationInfo) -> float:
        if value > 0 and info.data.get("name") == "adamw_schedule_free":
            raise ValueError(
                f"{value:g} would average what adamw_schedule_free has averaged already; leave it out"
            )
        return value
