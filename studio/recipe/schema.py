"""The recipe's typed schema: every section, every default, every rule that spans sections."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from studio import registry
from studio.adapters.formats import formats
from studio.adapters.settings import ExportSettings
from studio.bases.settings import BaseSettings, ModelName
from studio.curation.settings import DatasetSettings
from studio.evaluation.settings import EvaluationSettings
from studio.preview.settings import SamplingSettings
from studio.recipe import yaml_text
from studio.recipe.lock import Lock
from studio.recipe.migrations import VERSION
from studio.settings import Section, TrainerSettings
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    LossSettings,
    OptimizerSettings,
    PrecisionSettings,
    ValidationSettings,
)

NAME_PATTERN = re.compile(r"\w([\w.-]{0,78}\w)?")
RESERVED_NAMES = {"con", "prn", "aux", "nul"} | {
    f"{p}{n}" for p in ("com", "lpt") for n in range(10)
}
WARMUP_SHARE = 10


class Recipe(Section):
    """What a run is to do, from pictures to adapter file."""

    name: str
    """The run's name and its folder's: letters, digits, dots, dashes and underscores."""

    version: Literal[1] = VERSION
    """Version of this format."""

    base_model: ModelName = "pocket"
    """The model to teach: ``pocket``, a hub id, a diffusers folder or a .safetensors file."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Where all random draws come from; the same seed repeats the run."""

    base: BaseSettings = BaseSettings()
    """What of the base model is used otherwise than it came."""

    dataset: DatasetSettings
    """The pictures to learn from."""

    trainer: SerializeAsAny[TrainerSettings]
    """The method, and its own settings."""

    budget: BudgetSettings = BudgetSettings(steps_per_image=100)
    """How long to train."""

    optimizer: OptimizerSettings = OptimizerSettings()
    """How weights move."""

    loss: LossSettings = LossSettings()
    """What counts as an error."""

    precision: PrecisionSettings = PrecisionSettings()
    """Number formats and determinism."""

    checkpoint: CheckpointSettings = CheckpointSettings()
    """What is kept to resume from."""

    validation: ValidationSettings = ValidationSettings()
    """How learning is watched on held-out pictures."""

    sampling: SamplingSettings = SamplingSettings()
    """The pictures drawn during and after training."""

    evaluation: EvaluationSettings = EvaluationSettings()
    """How the finished adapter is measured."""

    export: ExportSettings = ExportSettings()
    """The files that are left behind."""

    lock: Lock | None = Field(None, exclude=True)
    """What an earlier run found; written by the studio, never by hand."""

    _text: str = PrivateAttr("")

    @property
    def effective_budget(self) -> BudgetSettings:
        """The budget to train for: a locked one in minutes is repeated as the steps it came to."""
        if self.lock is not None and self.lock.steps is not None:
            return BudgetSettings(steps=self.lock.steps)
        return self.budget

    @property
    def trigger(self) -> str:
        """The words that every prompt made for this recipe has: its method's answer to the dataset's."""
        return self.trainer.trigger_for(self.dataset.trigger)

    @property
    def effective_dataset(self) -> DatasetSettings:
        """The dataset as it is learned from, with `trigger` in the place of its own."""
        return self.dataset.model_copy(update={"trigger": self.trigger})

    @property
    def text(self) -> str:
        """The YAML that this recipe was read from; written anew where it came from nowhere."""
        return self._text or yaml_text.dump(self.model_dump(mode="json"))

    def with_text(self, text: str) -> Self:
        """The same recipe, with the YAML that stands for it."""
        recipe = self.model_copy()
        recipe._text = text
        return recipe

    @field_validator("name")
    @classmethod
    def _folder_name(cls, name: str) -> str:
        if not is_name(name):
            raise ValueError(
                f'"{name}" cannot name a folder; use up to 80 letters, digits, "-", "_" and ".", '
                "beginning and ending with a letter or digit"
            )
        return name

    @field_validator("trainer", mode="wrap")
    @classmethod
    def _by_its_plugin(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> TrainerSettings:
        value = {} if value is None else value
        if not isinstance(value, dict):
            settings: TrainerSettings = handler(value)
            return settings
        plugins = registry.plugins()
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in plugins:
            raise _problem(("kind",), _kind_problem(kind), kind)
        return plugins[kind].settings.model_validate(value)

    @model_validator(mode="after")
    def _formats_of_the_method(self) -> Self:
        known = _format_names(self.trainer)
        # A plugin may bring its formats with its trainer, which is not imported for a look at a recipe.
        for index, name in enumerate(self.export.formats if known else ()):
            if name not in known:
                message = (
                    f'"{name}" is no format of {self.trainer.kind}; there are: {", ".join(known)}'
                )
                raise _problem(("export", "formats", index), message, name)
        return self

    @model_validator(mode="after")
    def _trigger_of_the_method(self) -> Self:
        try:
            self.trainer.trigger_for(self.dataset.trigger)
        except ValueError as error:
            raise _problem(("dataset", "trigger"), str(error), self.dataset.trigger) from error
        return self

    @model_validator(mode="after")
    def _a_base_in_few_bits_stays(self) -> Self:
        base_dtype = self.precision.base_dtype
        if base_dtype in ("int8", "nf4") and self.trainer.trains_base_weights:
            message = (
                f'"{base_dtype}" is for weights that stay as they are, but this trainer changes the '
                "base's own; choose fp32, fp16 or bf16, or train low-rank weights"
            )
            raise _problem(("precision", "base_dtype"), message, base_dtype)
        return self

    @model_validator(mode="after")
    def _masks_and_their_loss(self) -> Self:
        mask, masked = self.dataset.mask, self.loss.masked_loss
        if masked and mask == "none":
            message = (
                "true, but dataset.mask is none, so no mask is there; set one, or this to false"
            )
            raise _problem(("loss", "masked_loss"), message, masked)
        if mask != "none" and not masked:
            message = (
                f'"{mask}", but loss.masked_loss is false, so no mask is heeded; set it to true'
            )
            raise _problem(("dataset", "mask"), message, mask)
        return self

    @model_validator(mode="after")
    def _warmup_within_budget(self) -> Self:
        steps, optimizer = self.budget.steps, self.optimizer
        if steps is None or optimizer.lr_warmup_steps <= steps // WARMUP_SHARE:
            return self
        if "lr_warmup_steps" not in optimizer.model_fields_set:
            warmup = {"lr_warmup_steps": steps // WARMUP_SHARE}
            self.__dict__["optimizer"] = optimizer.model_copy(update=warmup)
        elif optimizer.lr_warmup_steps > steps:
            message = f"{optimizer.lr_warmup_steps} is more than budget.steps, {steps}; lower it"
            raise _problem(("optimizer", "lr_warmup_steps"), message, optimizer.lr_warmup_steps)
        return self


def is_name(name: str) -> bool:
    """Whether a run's folder, or a file beside others, may be called so on every system."""
    is_reserved = name.partition(".")[0].lower() in RESERVED_NAMES
    return bool(NAME_PATTERN.fullmatch(name)) and not is_reserved


def _format_names(trainer: TrainerSettings) -> list[str]:
    """Names of the formats of every kind of adapter that may come of these settings."""
    plugin = registry.plugins().get(trainer.kind)
    kinds = trainer.adapter_kinds or (plugin.produces if plugin else (trainer.kind,))
    return list(dict.fromkeys(known.name for known in formats(*kinds)))


def _kind_problem(kind: Any) -> str:
    installed = ", ".join(registry.plugins()) or "none"
    if kind is None:
        return f"missing; name one of the installed trainers: {installed}"
    close = get_close_matches(str(kind), registry.plugins(), n=1)
    meant = f'; did you mean "{close[0]}"?' if close else "; installed are:"
    return f'no trainer "{kind}" is installed{meant} {"" if close else installed}'.rstrip()


def _problem(loc: tuple[str | int, ...], message: str, value: Any) -> ValidationError:
    """One sentence at one place, in pydantic's own form, so that it is listed with all others."""
    custom = PydanticCustomError("recipe", "{sentence}", {"sentence": message})
    return ValidationError.from_exception_data(
        "Recipe", [InitErrorDetails(type=custom, loc=loc, input=value)]
    )
