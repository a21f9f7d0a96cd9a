"""Taggers as ONNX: a score for each tag of a list, as the WD taggers have it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.captioning.captioner import Captioner
from studio.captioning.tags import TAGS_NAME, read_tags
from studio.errors import CaptionerError

TAG_THRESHOLD = 0.35
"""How sure it must be of what is to be seen, as the WD taggers' authors advise."""

CHARACTER_THRESHOLD = 0.85
"""How sure it must be of a character's name, which is wrong or right."""

_USUAL_SIDE_PX = 448
_WHITE = (255, 255, 255)


class Tagger(Captioner):
    """Tags with commas between, the surest first.

    The model reads (pictures, height, width, 3): blue, green, red, 0 to 255; and gives
    (pictures, tags) probabilities.
    """

    def __init__(self, folder: Path, model: Path, threshold: float) -> None:
        super().__init__(folder, [model])
        self.tags = read_tags(folder / TAGS_NAME)
        self.threshold = threshold
        _runtime()

    def captions(self, images: Sequence[Image.Image]) -> list[str]:
        session = self._session
        source = session.get_inputs()[0]
        side_px = source.shape[1] if isinstance(source.shape[1], int) else _USUAL_SIDE_PX
        pixels = np.stack([_pixels(image, side_px) for image in images])
        probabilities = session.run(None, {source.name: pixels})[0]
        if probabilities.shape[1] != len(self.tags.names):
            raise CaptionerError(
                f"{self.folder} scores {probabilities.shape[1]} tags, its {TAGS_NAME} has "
                f"{len(self.tags.names)}; fetch both from one place"
            )
        least = max(self.threshold, CHARACTER_THRESHOLD)
        return [", ".join(self.tags.chosen(row, self.threshold, least)) for row in probabilities]

    @cached_property
    def _session(self) -> Any:
        runtime = _runtime()
        try:
            return runtime.InferenceSession(self.weight_files[0], providers=_providers(runtime))
        except Exception as error:  # the library has many classes for files that it cannot read
            reason = str(error).strip().partition("\n")[0]
            raise CaptionerError(
                f"{self.folder} cannot be loaded: {reason}; fetch it anew"
            ) from error


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise CaptionerError(
            'taggers need onnxruntime, which is not installed: pip install "adapter-studio[captions]"'
        ) from error
    return onnxruntime


def _providers(runtime: Any) -> list[str]:
    """What computes: a graphics card where this onnxruntime is built for one, then the processor."""
    available = runtime.get_available_providers()
    return [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available]


def _pixels(image: Image.Image, side_px: int) -> NDArray[np.float32]:
    """(side_px, side_px, 3): the whole picture, on white where it is not square."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), _WHITE)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    resized = square.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32)[:, :, ::-1]
