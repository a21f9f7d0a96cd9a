"""The ``trainer:`` section of a LoRA recipe."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from studio.settings import TrainerSettings
from studio.training.lora.settings import LoraWeights


class LoraSettings(LoraWeights, TrainerSettings):
    """Low-rank adaptation (Hu et al., 2021, arXiv 2106.09685) and its relatives, by peft."""

    kind: Literal["lora"] = "lora"
    """The method."""

    leading: ClassVar[tuple[str, ...]] = ("rank",)

    train_text_encoder: bool = False
    """Adapt the text encoder too, of SDXL both: words bind faster to a new subject, and the old meaning
    suffers sooner. Text is then encoded in every step, which is slower."""

    text_encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the text encoder's part. Empty: as the U-Net's; half to a tenth of it is safer."""

    text_encoder_stop_after: float | None = Field(None, gt=0, le=1)
    """Share of the run after which the text encoder stops learning; it tends to learn too much sooner than
    the U-Net. Usual: 0.3 to 0.5. Empty: never."""

    @property
    def adapter_kinds(self) -> tuple[str, ...]:
        return (self.variant,)
