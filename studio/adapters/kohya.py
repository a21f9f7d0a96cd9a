"""LoRA files in kohya's naming: what A1111, Forge, ComfyUI and kohya's own scripts read.

Per layer ``NAME.lora_down.weight``, ``NAME.lora_up.weight`` and ``NAME.alpha``; the change of the
weight is alpha / rank * up @ down, so a scale by another rule (rsLoRA) is stated as the alpha that
gives it. LoHa and LoKr stand there as LyCORIS names them, which is also how peft does: ``hada_w1_a`` …,
``lokr_w1`` …; an OFT that turns outputs as ``oft_blocks``, with an alpha of 0, for there it limits the
rotation, and 0 is no limit. DoRA adds ``NAME.dora_scale``, [out, 1], the length of each row of the changed
weight, as LyCORIS reads it, which kohya's scripts run for the files that name it; the webuis and ComfyUI
read it in ways of their own, so for those bake a DoRA into a plain LoRA.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.layer_change import ALPHA, BLOCKS, MAGNITUDE, VARIANT_PARTS, Parts, rank_of
from studio.adapters.lora_layers import (
    Layers,
    adapter_of,
    is_spatial,
    layers_of,
    require_whole,
    stated_alpha,
    variant_of_all,
)
from studio.adapters.names import kohya_name, neutral_path
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
_FILE_PARTS = {
    "lora_A.weight": "lora_down.weight",
    "lora_B.weight": "lora_up.weight",
    MAGNITUDE: "dora_scale",
}
# By the ending of a key, to what peft calls it.
_ENDINGS = {
    _FILE_PARTS.get(part, part): part
    for variant in ("lora", "loha", "lokr", "diag_oft")
    for part in sorted(VARIANT_PARTS[variant])
}
# What lies outside the blocks, LyCORIS alone reaches.
_OUTSIDE = tuple(f"unet.{n}" for n in ("conv_in", "conv_out", "time_embedding", "add_embedding"))
_ALGORITHMS = {"diag_oft": "diag-oft"}  # LyCORIS' own names where they are not ours


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a LoRA in this naming."""
    return any(
        key.startswith("lora_") and key.partition(".")[2] in _ENDINGS.keys() - {ALPHA}
        for key in keys
    )


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file; alphas stay fp32, for they scale everything else.

    Raises:
        AdapterError: the family or variant has another naming, or a value does not fit ``dtype``.
    """
    layers = layers_of(adapter)
    tensors: dict[str, torch.Tensor] = {}
    for module, parts in {**_silent_siblings(layers), **layers}.items():
        name = kohya_name(module, adapter.header.family)
        for part, tensor in parts.items():
            if part != ALPHA:
                shaped = _dora_scale(parts) if part == MAGNITUDE else tensor
                tensors[f"{name}.{_FILE_PARTS.get(part, part)}"] = rounded(name, shaped, dtype)
        tensors[f"{name}.alpha"] = torch.tensor(0.0 if BLOCKS in parts else stated_alpha(parts))
    write_tensors(path, tensors, adapter.header, _metadata(layers))


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors; layers that are all zero, which change nothing, are left out.

    Raises:
        AdapterError: a tensor has no place in this naming, or a layer is incomplete.
    """
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, ending = key.partition(".")
        path = neutral_path(name)
        if path is None:
            raise AdapterError(f"its layer {name!r} is not of Stable Diffusion 1.x, 2.x or XL")
        if ending not in _ENDINGS:
            raise AdapterError(f"its tensor {key!r} has no place in a kohya LoRA")
        layers.setdefault(path, {})[_ENDINGS[ending]] = tensor
    for path, parts in layers.items():
        require_whole(path, parts)
        if BLOCKS in parts:
            layers[path] = {BLOCKS: _within_limit(parts)}
    spoken = {path: layers[path] for path in sorted(layers) if not _is_silent(layers[path])}
    return adapter_of(spoken or layers, metadata)


def _within_limit(parts: Parts) -> torch.Tensor:
    """The blocks of an OFT, shortened to the limit that its alpha states.

    LyCORIS, kohya's scripts and A1111 1.10 limit the length of Q = B - B^T by alpha times the layer's rows;
    ComfyUI by alpha alone.
    """
    blocks = parts[BLOCKS].float()
    limit = float(parts.get(ALPHA, torch.zeros(()))) * blocks.shape[0] * blocks.shape[1]
    length = float(torch.linalg.vector_norm(blocks - blocks.mT))
    return blocks * (limit / length) if 0 < limit < length else blocks


def _dora_scale(parts: Parts) -> torch.Tensor:
    return parts[MAGNITUDE].reshape(-1, *[1] * (parts["lora_A.weight"].dim() - 1))


def _silent_siblings(layers: Layers) -> dict[str, Parts]:
    """Zeros for attention layers of a text encoder beside trained ones: from a file that lacks some,
    diffusers cannot tell the rest, and drops or refuses it.
    """
    siblings: dict[str, Parts] = {}
    for path, parts in layers.items():
        attention, _, name = path.rpartition(".")
        is_plain = "lora_A.weight" in parts and MAGNITUDE not in parts
        if path.startswith("text_encoder") and name in ATTENTION and is_plain:
            silent = {k: v if k == ALPHA else torch.zeros_like(v) for k, v in parts.items()}
            siblings |= {f"{attention}.{sibling}": silent for sibling in ATTENTION}
    return siblings


def _is_silent(parts: Parts) -> bool:
    pair = [parts[name] for name in ("lora_A.weight", "lora_B.weight") if name in parts]
    return bool(pair) and not any(tensor.any() for tensor in pair)


def _metadata(layers: Layers) -> dict[str, str]:
    def commonest(parts: Iterable[Parts]) -> tuple[int, float]:
        widths = Counter((rank_of(layer), stated_alpha(layer)) for layer in parts)
        return widths.most_common(1)[0][0]

    rank, alpha = commonest(layers.values())
    algorithm = _algorithm(layers)
    args = dict(algorithm)
    convs = [parts for parts in layers.values() if is_spatial(parts)]
    if convs:
        conv_rank, conv_alpha = commonest(convs)
        args |= {"conv_dim": str(conv_rank), "conv_alpha": f"{conv_alpha:g}"}
    return {
        "studio.format": "kohya",
        "ss_network_module": "lycoris.kohya" if algorithm else "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": f"{alpha:g}",
        "ss_network_args": json.dumps(args),
    }


def _algorithm(layers: Layers) -> dict[str, str]:
    """What LyCORIS has to be told; nothing for a plain LoRA of layers that kohya's own network reaches."""
    variant = variant_of_all(layers)
    if any(MAGNITUDE in parts for parts in layers.values()):
        return {"algo": variant, "dora_wd": "True", "wd_on_output": "True"}
    own = variant == "lora" and not any(path.startswith(_OUTSIDE) for path in layers)
    return {} if own else {"algo": _ALGORITHMS.get(variant, variant)}
