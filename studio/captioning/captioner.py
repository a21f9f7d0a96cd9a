"""The interface of a captioner: pictures in, texts out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from PIL import Image

from studio.bases.digests import weights_digest


class Captioner(ABC):
    """A model in a folder. Making one looks at small files only; weights are read at the first
    picture.

    Attributes:
        folder: where it lies.
        weight_files: the files that make it what it is.
    """

    def __init__(self, folder: Path, weight_files: Sequence[Path]) -> None:
        self.folder = folder
        self.weight_files = tuple(weight_files)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def digest(self) -> str:
        """SHA-256 over its weights, hexadecimal."""
        return weights_digest(self.folder, self.weight_files)

    @abstractmethod
    def captions(self, images: Sequence[Image.Image]) -> list[str]:
        """One text for each image (mode RGB, any size); all in one batch.

        Raises:
            CaptionerError: the model cannot be loaded.
        """
