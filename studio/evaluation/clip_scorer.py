"""Pictures and texts as CLIP sees them (Radford et al., 2021, arXiv 2103.00020)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from studio.bases.library_words import no_progress_bars
from studio.errors import BaseModelError
from studio.evaluation.style_features import Floats

BATCH = 16


class ClipScorer:
    """A CLIP model and its tokenizer, read from a folder; nothing is downloaded."""

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        self._model = model.requires_grad_(False)
        self._model.train(False)
        config: Any = model.config  # its parts may be dictionaries in transformers' types only
        self._max_tokens: int = config.text_config.max_position_embeddings
        self._side_px: int = config.vision_config.image_size
        self._tokenizer = tokenizer
        self._mean = torch.tensor(mean).view(1, 3, 1, 1)
        self._std = torch.tensor(std).view(1, 3, 1, 1)

    @classmethod
    def load(cls, folder: Path) -> ClipScorer:
        """Read a transformers CLIP folder.

        The tokenizer may lie in the folder or beside it in ``tokenizer/``. Mean and standard
        deviation of the pixels come from ``preprocessor_config.json``; without it pixel values go
        to [-1, 1], which is what pocket's CLIP was taught with.

        Raises:
            BaseModelError: the folder holds no CLIP model or no tokenizer.
        """
        tokenizer_folder = _tokenizer_folder(folder)
        if not (folder / "config.json").is_file() or tokenizer_folder is None:
            raise BaseModelError(
                f"no CLIP model with a tokenizer in {folder}; give a transformers CLIP folder "
                "as evaluation.clip_model, or leave it empty"
            )
        with no_progress_bars():
            model = CLIPModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
        return cls(model, tokenizer, **_pixel_statistics(folder))

    @torch.no_grad()
    def embed_pictures(self, pictures: Sequence[Image.Image]) -> Floats:
        """Unit-length embeddings: (pictures, projection_dim)."""
        parts = [
            self._model.get_image_features(self._pixel_values(pictures[i : i + BATCH]))
            for i in range(0, len(pictures), BATCH)
        ]
        return _unit_length(torch.cat([part.pooler_output for part in parts]))

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Unit-length embeddings: (texts, projection_dim). Texts too long are cut."""
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        features = self._model.get_text_features(tokens.input_ids, tokens.attention_mask)
        return _unit_length(features.pooler_output)

    def _pixel_values(self, pictures: Sequence[Image.Image]) -> Tensor:
        size = (self._side_px, self._side_px)
        resized = [
            np.asarray(p.convert("RGB").resize(size, Image.Resampling.BICUBIC)) for p in pictures
        ]
        pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 255.0
        return (pixels - self._mean) / self._std  # (pictures, 3, side, side)


def _tokenizer_folder(folder: Path) -> Path | None:
    for candidate in (folder, folder.parent / "tokenizer"):
        if any((candidate / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            return candidate
    return None


def _pixel_statistics(folder: Path) -> dict[str, list[float]]:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text("utf-8"))
    return {"mean": content["image_mean"], "std": content["image_std"]}


def _unit_length(features: Tensor) -> Floats:
    unit = torch.nn.functional.normalize(features.double(), dim=-1)
    return np.asarray(unit.cpu().numpy(), dtype=np.float64)
