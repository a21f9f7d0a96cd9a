"""Vision models as transformers has them, each read where its makers take its embedding from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.bases.digests import weights_digest
from studio.model_folder import ALONE, ModelFolder, require_weights

PIXELS_NAME = "preprocessor_config.json"
"""The file that says how a model wants its pictures."""

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

    def __init__(self, folder: ModelFolder, name: str) -> None:
        self.name = name
        self._folder = folder
        self._files = (*folder.weight_files, folder.path / PIXELS_NAME)
        self._read = READINGS[folder.kind]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over its weights and over how it wants its pictures, hexadecimal."""
        return weights_digest(self._folder.path, self._files)

    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """(pictures, features), each row of length 1; all pictures in one batch.

        Raises:
            EmbedderError: the model cannot be loaded, or not be shown pictures as it says it wants them.
        """
        import torch

        with self._folder.in_one_line():
            processor, model = self._loaded
            pixels = processor(images=list(pictures), return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                features = self._read(model, pixels.to(model.device, torch.float32))
        unit = torch.nn.functional.normalize(features.float(), dim=-1)
        return np.asarray(unit.cpu().numpy(), np.float32)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Processor of pictures, model."""
        import torch
        from transformers import AutoImageProcessor, AutoModel

        processors: Any = AutoImageProcessor  # untyped in the library
        processor = processors.from_pretrained(self._folder.path, backend="pil", **ALONE)
        model, report = AutoModel.from_pretrained(
            self._folder.path,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **ALONE,
        )
        require_weights(key for key in report["missing_keys"] if not self._unread(key))
        return processor, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def _unread(self, key: str) -> bool:
        """A part that is not asked, and may be missing."""
        return self._read is _class_token and key.startswith("pooler.")
