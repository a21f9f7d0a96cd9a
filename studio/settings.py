"""The base of every recipe section: strict, frozen, described field by field."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

NUMBERS = (int, float, int | None, float | None)


class Section(BaseModel):
    """A part of a recipe. Unknown keys are refused; each field's docstring is its help."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Python counts True as 1, so a slip such as "steps: true" would train for one step.
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation in NUMBERS:
            raise ValueError(f"{str(value).lower()} is not a number")
        return value


class TrainerSettings(Section):
    """What every trainer's ``trainer:`` section has. A plugin narrows ``kind`` to its own literal."""

    kind: str
    """The method: the name of an installed trainer plugin."""

    leading: ClassVar[tuple[str, ...]] = ()
    """The settings that one thinks of first, such as its size; none named: the first of its own."""

    @property
    def adapter_kinds(self) -> tuple[str, ...]:
        """The kinds of adapter that come of these settings; empty: any that the plugin may produce."""
        return ()

    @property
    def trains_base_weights(self) -> bool:
        """Whether the base's own weights move, so that they cannot be kept in a code of few bits."""
        return False

    def trigger_for(self, dataset_trigger: str) -> str:
        """The words that call up what is learned with these settings.

        They are in every prompt that the studio writes and in the adapter's header. A method that learns
        words of its own settings returns those; so what is asked for is what was trained.

        Args:
            dataset_trigger: the recipe's ``dataset.trigger``; empty where there is none.

        Raises:
            ValueError: it does not go with these settings. The message is what stands behind
                ``dataset.trigger:`` among a recipe's problems: what is wrong and what to do.
        """
        return dataset_trigger
