"""Whole weights as one file in the original naming: what the webuis and ComfyUI load as a model.

It holds everything, VAE and untrained parts included, so the base has to be there for writing; read
back as an adapter, the trained parts count and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.original_names import (
    CLIP,
    OPEN_CLIP,
    QKV,
    UNET,
    VAE,
    VIT_H_LAYERS,
    open_clip_name,
    original_unet_name,
    original_vae_name,
)
from studio.adapters.parameter_names import names_in_original
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.adapters.whole_weights import all_weights
from studio.bases.base_model import BaseModel
from studio.bases.families import Family
from studio.errors import AdapterError

PARTS_KEY = "studio.parts"
_Named = Iterator[tuple[str, Tensor]]


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a Stable Diffusion model in the original naming."""
    return any(key.startswith(UNET) for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write one file: the base with the adapter's weights in it.

    Raises:
        AdapterError: the adapter was made for another base, or a value does not fit ``dtype``.
    """
    tensors = {name: rounded(name, t, dtype) for name, t in _original(adapter, base)}
    write_tensors(path, tensors, adapter.header, {PARTS_KEY: ",".join(trained_parts(adapter))})


def read(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The trained parts in a file's tensors.

    Raises:
        AdapterError: another tool wrote it, so that nobody knows what was trained.
    """
    if "studio.kind" not in metadata:
        raise AdapterError(
            "it is a whole model of another tool, not an adapter; name it as the base model"
        )
    header = from_metadata(metadata, "full")
    family = cast("Family", header.family)
    if family not in ("sd1", "sd2", "sdxl"):
        raise AdapterError(f"its family {family!r} has no such checkpoints")
    parts = tuple(part for part in metadata.get(PARTS_KEY, "").split(",") if part)
    found = dict(_neutral(tensors, family))
    trained = {name: t for name, t in found.items() if name.partition(".")[0] in parts}
    if not trained:
        raise AdapterError(f"it holds none of the parts {', '.join(parts) or 'that were trained'}")
    return Adapter(header, trained)


def trained_parts(adapter: Adapter) -> list[str]:
    """The parts of the base that whole weights are there for."""
    return sorted({name.partition(".")[0] for name in adapter.tensors})


def _original(adapter: Adapter, base: BaseModel) -> _Named:
    by_part: dict[str, dict[str, Tensor]] = {}
    for neutral, tensor in all_weights(adapter, base).items():
        part, _, name = neutral.partition(".")
        by_part.setdefault(part, {})[name] = tensor
    for name, tensor in by_part.pop("unet").items():
        yield UNET + original_unet_name(name, base.family), tensor
    for part, weights in by_part.items():
        if (base.family, part) in CLIP:
            prefix = CLIP[base.family, part]
            yield from ((prefix + name, tensor) for name, tensor in weights.items())
        else:
            prefix = OPEN_CLIP[base.family, part]
            yield from ((prefix + name, tensor) for name, tensor in _open_clip(weights))
    yield from _vae(base)


def _vae(base: BaseModel) -> _Named:
    levels = len(base.vae.config["up_block_types"])
    for name, parameter in base.vae.named_parameters():
        original = original_vae_name(name, levels)
        tensor = parameter.detach()
        # The original's attention is made of 1x1 convolutions.
        is_convolution = ".attn_1." in original and tensor.dim() == 2
        yield VAE + original, tensor[:, :, None, None] if is_convolution else tensor


def _open_clip(weights: Mapping[str, Tensor]) -> _Named:
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder."))
    named = dict(_joined(weights))
    yield from named.items()
    if layers != VIT_H_LAYERS - 1:
        return
    # What no reader uses, but strict ones want to find: the layer that diffusers leaves out, and
    # the projection to the picture's space.
    last = f"transformer.resblocks.{layers - 1}."
    for name, tensor in named.items():
        if name.startswith(last):
            yield f"transformer.resblocks.{layers}.{name.removeprefix(last)}", tensor
    yield "text_projection", torch.eye(len(named["ln_final.weight"]))
    yield "logit_scale", torch.tensor(math.log(100.0))


def _joined(weights: Mapping[str, Tensor]) -> _Named:
    """Queries, keys and values as one matrix; the projection transposed."""
    for name, tensor in weights.items():
        attention, query, kind = name.partition("q_proj.")
        if query:
            joined = torch.cat([weights[f"{attention}{part}.{kind}"] for part in QKV])
            yield f"{open_clip_name(attention)}in_proj_{kind}", joined
        elif not any(f"{part}." in name for part in QKV):
            yield open_clip_name(name), tensor.T if name == "text_projection.weight" else tensor


def _neutral(tensors: Mapping[str, Tensor], family: Family) -> _Named:
    """The way back from `_original`, without the VAE."""
    for key, tensor in tensors.items():
        names = names_in_original(key, family)
        if len(names) == len(QKV):
            thirds = tensor.chunk(len(QKV))
            yield from zip(names, (third.contiguous() for third in thirds), strict=True)
        elif names:
            yield names[0], tensor.T.contiguous() if key.endswith(".text_projection") else tensor
