"""A learned model that says what pictures show. Curation only asks; who has one answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from studio.curation.view import Measurement


class Embedder(Protocol):
    """A vision model, such as CLIP or DINO: alike pictures get vectors of a small angle."""

    @property
    def name(self) -> str:
        """What findings call it."""

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all that its answers depend on."""

    def embed(self, pictures: Sequence[Image.Image]) -> Measurement:
        """(pictures, features), each row of length 1; ``pictures`` are RGB and of any size."""
