"""The ``trainer:`` section of a LoRA recipe."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from studio.settings import TrainerSettings


class LoraSettings(TrainerSettings):
    """Low-rank adaptation (Hu et al., 2021, arXiv 2106.09685), by peft."""

    kind: Literal["lora"] = "lora"
    """The method."""

    rank: int = Field(8, ge=1, le=1024)
    """Width of the bottleneck. 4 to 32 for a style, 8 to 64 for a subject; more learns finer and copies
    sooner."""

    alpha: float | None = Field(None, gt=0)
    """The change is scaled by alpha / rank. Empty: equal to rank. A lower one works like a lower learning
    rate; 1 and half of rank are customs of the field."""

    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of each layer's input that is left out in a step. Usual: 0 to 0.1; more copies less and learns
    slower."""

    target_modules: tuple[str, ...] = Field(("to_q", "to_k", "to_v", "to_out.0"), min_length=1)
    """Layers of the U-Net to adapt, by the end of their names. The default is all attention; add
    ``proj_in``, ``proj_out``, ``ff.net.0.proj`` and ``ff.net.2`` for more capacity and a larger file."""

    train_text_encoder: bool = False
    """Adapt the text encoder's attention too: words bind faster to a new subject, and the old meaning
    suffers sooner. Text is then encoded in every step, which is slower."""

    text_encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the text encoder's part. Empty: as the U-Net's; half to a tenth of it is safer."""

    use_dora: bool = False
    """Train direction and length of each weight row apart (DoRA, Liu et al., 2024, arXiv 2402.09353): often
    better at low rank, about a third slower, and not every tool reads it."""

    use_rslora: bool = False
    """Scale by alpha / sqrt(rank) (rsLoRA, Kalajdzievski, 2023, arXiv 2312.03732), which keeps high ranks
    learning. Lower alpha or the learning rate with it."""

    @property
    def scale(self) -> float:
        """The factor on the product of the two matrices."""
        alpha = self.rank if self.alpha is None else self.alpha
        return alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)
