"""How diffusers reads a single-file checkpoint: by its own converters, with the base's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers.loaders import single_file_utils
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement
from studio.adapters.readback import load_content
from studio.adapters.weight_changes import coarsest
from studio.adapters.weight_comparison import compare_weights
from studio.bases.base_model import BaseModel

_diffusers: Any = single_file_utils  # its functions have no types
_OPEN_CLIP = {"sd2": "cond_stage_model.model.", "sdxl": "conditioner.embedders.1.model."}


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Every weight that diffusers finds in the file, against the trained ones.

    Raises:
        VerificationError: it is not a whole safetensors file of floating point numbers.
    """
    content = load_content(path)
    parts = _converted(content.tensors, base)
    found = {
        f"{part}.{name.removeprefix('text_model.')}": tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }
    return compare_weights(
        found,
        adapter,
        base,
        unread=_unread(content.tensors, found, base),
        tensors=len(content.tensors),
        dtype=coarsest(content),
    )


def _converted(tensors: dict[str, Tensor], base: BaseModel) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {
        "unet": _diffusers.convert_ldm_unet_checkpoint(tensors, base.unet.config),
        "vae": _diffusers.convert_ldm_vae_checkpoint(tensors, base.vae.config),
    }
    if base.family in ("sd1", "sdxl"):
        parts["text_encoder"] = _diffusers.convert_ldm_clip_checkpoint(tensors)
    if base.family in _OPEN_CLIP:
        part = "text_encoder" if base.family == "sd2" else "text_encoder_2"
        text_encoder = base.named_text_encoders[part]
        parts[part] = _diffusers.convert_open_clip_checkpoint(
            text_encoder, tensors, prefix=_OPEN_CLIP[base.family]
        )
    return parts


def _unread(
    tensors: Mapping[str, Tensor], found: Mapping[str, Tensor], base: BaseModel
) -> list[str]:
    """Whether numbers are left over; the converters split and join tensors, so names do not tell."""
    ignored: set[str] = set()
    if base.family == "sd2":
        ignored |= {*_diffusers.SD_2_TEXT_ENCODER_KEYS_TO_IGNORE, f"{_OPEN_CLIP['sd2']}logit_scale"}
    there = sum(tensor.numel() for name, tensor in tensors.items() if name not in ignored)
    read = sum(tensor.numel() for tensor in found.values())
    return [f"{there - read:,} numbers that diffusers does not read"] if there != read else []
