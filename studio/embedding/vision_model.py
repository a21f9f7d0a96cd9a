"""Vision models as transformers has them, each read where its makers take its embedding from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.bases.digests import weights_digest
from studio.errors import EmbedderError

Reading = Callable[[Any, Any], Any]
"""Model and pixel values (pictures, 3, height, width) to embeddings (pictures, features)."""


def _beside_text(model: Any, pixels: Any) -> Any:
    """In the space that pictures and texts share (CLIP, arXiv 2103.00020; SigLIP, 2303.15343)."""
    return model.get_image_features(pixels).pooler_output


def _pooled(model: Any, pixels: Any) -> Any:
    """A vision tower by itself, before it is brought into that space."""
    return model(pixels).pooler_output


def _class_token(model: Any, pixels: Any) -> Any:
    """The first token, which stands for the whole (ViT, arXiv 2010.11929; DINOv2, 2304.07193)."""
    return model(pixels).last_hidden_state[:, 0]


READINGS: Mapping[str, Reading] = {
    "clip": _beside_text,
    "clip_vision_model": _pooled,
    "dinov2": _class_token,
    "dinov2_with_registers": _class_token,
    "dinov3_vit": _class_token,
    "siglip": _beside_text,
    "siglip2": _beside_text,
    "siglip_vision_model": _pooled,
    "vit": _class_token,
}
"""How each ``model_type`` is read."""


class VisionModel:
    """Curation's `Embedder`. Making one looks at small files only; weights are read at the first
    picture.

    Attributes:
        name: what findings call it.
    """

    def __init__(self, folder: Path, weight_files: Sequence[Path], kind: str, name: str) -> None:
        self.name = name
        self._folder = folder
        self._weight_files = tuple(weight_files)
        self._read = READINGS[kind]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over its weights and over how it wants its pictures, hexadecimal."""
        settings = self._folder / "preprocessor_config.json"
        return weights_digest(self._folder, (*self._weight_files, settings))

    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(pictures, features), each row of length 1; all pictures in one batch.

        Raises:
            EmbedderError: the model cannot be loaded, or not be shown pictures as it says it wants them.
        """
        import torch

        with self._as_one_line():
            processor, model = self._loaded
            pixels = processor(images=list(pictures), return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                features = self._read(model, pixels.to(model.device, torch.float32))
        unit = torch.nn.functional.normalize(features.float(), dim=-1)
        return np.asarray(unit.cpu().numpy(), np.float32)

    @contextmanager
    def _as_one_line(self) -> Iterator[None]:
        """Whatever a broken folder makes the library raise, at loading or at the first picture."""
        from safetensors import SafetensorError

        broken = (OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError)
        try:
            yield
        except (*broken, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise EmbedderError(
                f"{self._folder} cannot be used: {reason}; fetch it anew"
            ) from error

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Processor of pictures, model."""
        from studio.bases.loading import no_progress_bars

        with no_progress_bars():
            return self._load()

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoImageProcessor, AutoModel

        own = {"local_files_only": True, "trust_remote_code": False}
        processors: Any = AutoImageProcessor  # untyped in the library
        processor = processors.from_pretrained(self._folder, backend="pil", **own)
        model, report = AutoModel.from_pretrained(
            self._folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **own,
        )
        # The library fills absent weights at random; those of a part that is not read do not matter.
        unread = "pooler." if self._read is _class_token else "-"
        if missing := sorted(k for k in report["missing_keys"] if not k.startswith(unread)):
            raise ValueError(f"it lacks {len(missing)} weights, the first is {missing[0]}")
        return processor, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
