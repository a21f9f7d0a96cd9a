"""How diffusers and transformers read a folder: their own loaders, part by part, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement
from studio.adapters.readback import load_content
from studio.adapters.weight_comparison import compare_weights
from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_progress_bars
from studio.errors import VerificationError


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Every weight that the libraries load from the folder, against the trained ones.

    Raises:
        VerificationError: a library refuses a part.
    """
    live: dict[str, nn.Module] = {"unet": base.unet, "vae": base.vae, **base.named_text_encoders}
    found: dict[str, torch.Tensor] = {}
    unread: list[str] = []
    tensors = 0
    dtype = _dtype(path / "unet")
    for part, module in live.items():
        loaded, report = _loaded(path / part, type(module), dtype)
        weights = {name.removeprefix("text_model."): p for name, p in loaded.named_parameters()}
        lost = {name.removeprefix("text_model.") for name in report["missing_keys"]}
        found |= {f"{part}.{name}": p.data for name, p in weights.items() if name not in lost}
        unread += [f"{part}.{name}" for name in report["unexpected_keys"]]
        tensors += len(weights)
    return compare_weights(found, adapter, base, unread=unread, tensors=tensors, dtype=dtype)


def _dtype(folder: Path) -> torch.dtype:
    file = folder / "diffusion_pytorch_model.safetensors"
    return next(iter(load_content(file).tensors.values())).dtype


def _loaded(folder: Path, kind: Any, dtype: torch.dtype) -> tuple[nn.Module, dict[str, Any]]:
    try:
        with no_progress_bars():
            loaded: tuple[nn.Module, dict[str, Any]] = kind.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise VerificationError(f"{folder.name} cannot be loaded again: {reason}") from error
    return loaded
