"""The ``trainer:`` section of a bias-only recipe."""

from __future__ import annotations

from typing import Literal

from studio.settings import TrainerSettings


class BiasOnlySettings(TrainerSettings):
    """Biases alone (BitFit; Ben Zaken et al., 2022, arXiv 2106.10199)."""

    kind: Literal["bias_only"] = "bias_only"
    """The method."""

    layers: Literal["all", "attention"] = "all"
    """Whose biases learn: every layer's of the U-Net, or those of its attention blocks."""
