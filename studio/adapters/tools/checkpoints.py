"""How each tool reads a single file of a whole model: every tensor in its place, and none missing.

By the original layout, as A1111 1.10.1, Forge 2025-06, ComfyUI 2025-10 and sd-scripts 0.10.1 look tensors
up; diffusers by its own converters. Tensors are compared one by one and stay in the file all the while.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.tools.original_layout import layout_of
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import VerificationError

# What published checkpoints hold beside the weights, and every tool passes over.
_PASSED_OVER = re.compile(
    r"cond_stage_model\.model\.(transformer\.resblocks\.23\..+|text_projection|logit_scale)"
    r"|conditioner\.embedders\.1\.model\.logit_scale"
    r"|.+\.embeddings\.position_ids|model_ema\..+|betas|(sqrt_|log_)?(one_minus_)?alphas_.+"
)
_UNNESTED = re.compile(r"cond_stage_model\.transformer\.(?=embeddings|encoder|final_layer_norm)")


@dataclass
class Findings:
    """What was found of a model's weights in its files, by the names that a tool looks up."""

    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    def compare(self, name: str, found: Tensor, trained: Tensor) -> None:
        """Take up a tensor that is not, to the bit, the trained one rounded to its number format."""
        if not torch.equal(found, trained.detach().cpu().to(found.dtype)):
            self.different.append(name)

    def because(self) -> str:
        """Why the model is not the trained one, as a clause; empty where it is."""
        for names, clause in (
            (self.unused, "it leaves {} tensors unused, the first is {}"),
            (self.missing, "{} tensors that it needs are missing, the first is {}"),
            (self.different, "{} tensors are not what was trained, the first is {}"),
        ):
            if names:
                return clause.format(len(names), names[0])
        return ""


def by_layout(path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why the webuis, ComfyUI and kohya will not find the trained model; a clause, empty where they will.

    Raises:
        VerificationError: it is no whole safetensors file.
    """
    # All four know files of SD 1.x whose text encoder lacks its outer name.
    outer = "cond_stage_model.transformer.text_model."
    tensors = {_UNNESTED.sub(outer, key): tensor for key, tensor in mapped(path).items()}
    weights, findings = weights_of(adapter, base), Findings()
    for key, names in layout_of(base).items():
        if (found := tensors.pop(key, None)) is None:
            findings.missing.append(key)
        else:
            findings.compare(key, found, _original(key, names, weights))
    findings.unused += [key for key in tensors if not _PASSED_OVER.fullmatch(key)]
    return findings.because()


def by_diffusers(path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why ``from_single_file`` with the base's configuration will not give the trained model; a clause,
    empty where it will.

    Raises:
        VerificationError: it is no whole safetensors file.
    """
    tensors = mapped(path)
    try:
        converted = _converted(tensors, base)
    except (KeyError, IndexError, AttributeError, TypeError, RuntimeError, ValueError) as error:
        return f"it cannot convert the file: {str(error) or type(error).__name__}"
    weights, findings = weights_of(adapter, base), Findings()
    for name, trained in weights.items():
        if name not in converted:
            findings.missing.append(name)
        else:
            findings.compare(name, converted[name], trained)
    more = sorted(converted.keys() - weights.keys())
    findings.unused += [name for name in more if not _PASSED_OVER.fullmatch(name)]
    # Tensors are split and joined on the way, so that by their names no one is known to be left.
    there = sum(t.numel() for key, t in tensors.items() if not _PASSED_OVER.fullmatch(key))
    read = sum(found.numel() for name, found in converted.items() if name in weights)
    if there != read and not findings.because():
        return f"it does not read {abs(there - read):,} of the file's numbers"
    return findings.because()


def mapped(path: Path) -> dict[str, Tensor]:
    """A file's tensors, whose numbers are read when they are looked at.

    Raises:
        VerificationError: it is no whole safetensors file.
    """
    try:
        read_layout(path)
    except (TensorFileError, OSError) as error:
        raise VerificationError(f"{path.name} cannot be read back: {error}") from error
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def weights_of(adapter: Adapter, base: BaseModel) -> dict[str, Tensor]:
    """Every weight of the trained model by neutral name, the VAE's behind ``vae.``; nothing is copied."""
    vae = {f"vae.{name}": parameter for name, parameter in base.vae.named_parameters()}
    return {
        name: adapter.tensors.get(name, parameter)
        for name, parameter in (named_parameters(base) | vae).items()
    }


def _original(key: str, names: Sequence[str], weights: Mapping[str, Tensor]) -> Tensor:
    """A tensor of the original layout, made of the parameters that it stands for."""
    if len(names) > 1:
        return torch.cat([weights[name] for name in names])
    weight = weights[names[0]]
    if key.endswith(".text_projection"):
        return weight.T
    # The original VAE's attention is made of 1x1 convolutions.
    return weight[:, :, None, None] if ".attn_1." in key and weight.dim() == 2 else weight


def _converted(tensors: dict[str, Tensor], base: BaseModel) -> dict[str, Tensor]:
    """By neutral name, what diffusers' converters make of the file."""
    from diffusers.loaders import single_file_utils

    library: Any = single_file_utils  # its functions have no types
    parts = {
        "unet": library.convert_ldm_unet_checkpoint(tensors, base.unet.config),
        "vae": library.convert_ldm_vae_checkpoint(tensors, base.vae.config),
    }
    for part, (is_there, convert) in _encoders(library, base).items():
        if not is_there(tensors):
            raise ValueError(f"it finds no {part} in it")
        parts[part] = convert(tensors)
    return {
        f"{part}.{name.removeprefix('text_model.')}": tensor
        for part, found in parts.items()
        for name, tensor in found.items()
    }


def _encoders(library: Any, base: BaseModel) -> dict[str, tuple[Any, Any]]:
    """By text encoder: how diffusers knows that a file has it, and its converter."""
    clip = library.convert_ldm_clip_checkpoint

    def open_clip(tensors: Mapping[str, Tensor]) -> Any:
        root = "conditioner.embedders.1" if base.family == "sdxl" else "cond_stage_model"
        encoder = base.text_encoders[-1]
        return library.convert_open_clip_checkpoint(encoder, tensors, prefix=f"{root}.model.")

    if base.family == "sdxl":
        second = library.is_open_clip_sdxl_model, open_clip
        return {"text_encoder": (library.is_clip_sdxl_model, clip), "text_encoder_2": second}
    if base.family == "sd2":
        return {"text_encoder": (library.is_open_clip_model, open_clip)}
    return {"text_encoder": (library.is_clip_model, clip)}
