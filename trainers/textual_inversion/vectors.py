"""The vectors of the new words while they train: where they start, and what holds them in check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studio.bases.base_model import BaseModel
from studio.training.placeholder_tokens import vocabulary
from studio.training.randomness import RandomStreams
from trainers.textual_inversion.initializer import drawn_vectors, initial_vectors
from trainers.textual_inversion.settings import TextualInversionSettings


@dataclass(frozen=True)
class TrainedVectors:
    """One word's rows in one text encoder.

    Attributes:
        rows: (vectors, width), fp32; what trains.
        start: the same, as they began.
        mean_norm, max_norm: mean and largest length of the base's own vectors.
    """

    rows: nn.Parameter
    start: Tensor
    mean_norm: float
    max_norm: float

    @torch.no_grad()
    def hold(self, settings: TextualInversionSettings) -> None:
        """Decay towards the start, then bring the lengths to what the settings allow."""
        if settings.initializer_decay:
            self.rows.lerp_(self.start, settings.initializer_decay)
        if settings.norm != "free":
            self.rows.mul_(self._factors(settings.norm))

    def _factors(self, norm: str) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(self.rows, dim=1, keepdim=True)
        inverse = lengths.clamp(min=1e-12).reciprocal()
        if norm == "keep":
            return inverse.mul(self.mean_norm)
        return inverse.mul(self.max_norm).clamp(max=1.0)


def start_vectors(
    base: BaseModel, settings: TextualInversionSettings, placeholders: Sequence[str], seed: int
) -> list[dict[str, TrainedVectors]]:
    """Every placeholder's vectors in each text encoder of the base, in order.

    Raises:
        RecipeError: an initialiser is none of the base's words.
    """
    streams = RandomStreams(seed)
    every: list[dict[str, TrainedVectors]] = []
    for index, encoder in enumerate(base.text_encoders):
        known = vocabulary(encoder)
        norms = torch.linalg.vector_norm(known.float(), dim=1)
        of_encoder: dict[str, TrainedVectors] = {}
        for number, placeholder in enumerate(placeholders):
            if settings.initializer_words:
                words = settings.initializer_words[number]
                start = initial_vectors(known, base.tokenizers[index], words, settings.num_vectors)
            else:
                start = drawn_vectors(known, settings.num_vectors, streams, index, number)
            vectors = TrainedVectors(
                nn.Parameter(start.clone()), start, norms.mean().item(), norms.max().item()
            )
            if settings.norm != "free":
                vectors.hold(settings)
            of_encoder[placeholder] = vectors
        every.append(of_encoder)
    return every
