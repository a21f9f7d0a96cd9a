"""LoRA files in kohya's naming: what A1111, Forge, ComfyUI and kohya's own scripts read.

Per layer ``NAME.lora_down.weight``, ``NAME.lora_up.weight`` and ``NAME.alpha``; the change of the
weight is alpha / rank * up @ down, so a scale by another rule (rsLoRA) is stated as the alpha that
gives it. DoRA adds ``NAME.dora_scale``, [out, 1], the length of each row of the changed weight, as
LyCORIS reads it; other tools read it in ways of their own, so for DoRA prefer the diffusers format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from studio.adapters import lora_layers
from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.lora_layers import LoraLayer, adapter_of, are_a_pair, layers_of
from studio.adapters.names import kohya_name, neutral_path
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.errors import AdapterError

DOWN, UP, ALPHA, DORA = ".lora_down.weight", ".lora_up.weight", ".alpha", ".dora_scale"
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
trained_changes = lora_layers.trained_changes


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a LoRA in this naming."""
    return any(key.endswith(DOWN) and key.startswith("lora_") for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype) -> None:
    """Write one file; alphas stay fp32, for they scale everything else.

    Raises:
        AdapterError: the family has another naming, or a value does not fit ``dtype``.
    """
    if adapter.header.family not in ("sd1", "sd2"):
        raise AdapterError(
            f"a kohya file for a base of family {adapter.header.family!r} cannot be written yet; "
            "export as diffusers"
        )
    layers = layers_of(adapter)
    tensors: dict[str, torch.Tensor] = {}
    for module, layer in {**_silent_siblings(layers), **layers}.items():
        name = kohya_name(module)
        tensors[name + DOWN] = rounded(name, layer.down, dtype)
        tensors[name + UP] = rounded(name, layer.up, dtype)
        tensors[name + ALPHA] = torch.tensor(layer.alpha)
        if layer.magnitude is not None:
            dora_scale = layer.magnitude.reshape(-1, *[1] * (layer.down.dim() - 1))
            tensors[name + DORA] = rounded(name, dora_scale, dtype)
    write_tensors(path, tensors, adapter.header, _metadata(layers))


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors; layers that are all zero, which change nothing, are left out.

    Raises:
        AdapterError: a tensor has no place in this naming, or a layer is incomplete.
    """
    left = dict(tensors)
    layers: dict[str, LoraLayer] = {}
    for name in sorted(key.removesuffix(DOWN) for key in tensors if key.endswith(DOWN)):
        path = neutral_path(name)
        if path is None:
            raise AdapterError(f"its layer {name!r} is not of Stable Diffusion 1.x or 2.x")
        layer = _layer(name, left)
        if layer.down.any() or layer.up.any():
            layers[path] = layer
    if left or not layers:
        raise AdapterError(f"its tensor {next(iter(left), 'list')!r} has no place in a kohya LoRA")
    return adapter_of(layers, from_metadata(metadata, "lora"))


def _layer(name: str, left: dict[str, torch.Tensor]) -> LoraLayer:
    down, up = left.pop(name + DOWN), left.pop(name + UP, None)
    if up is None or not are_a_pair(down, up):
        raise AdapterError(f"its layer {name!r} lacks a lora_up that fits its lora_down")
    alpha = left.pop(name + ALPHA, None)
    if alpha is not None and alpha.numel() != 1:
        raise AdapterError(f"its layer {name!r} has an alpha of {alpha.numel()} numbers")
    scale = 1.0 if alpha is None else float(alpha) / down.shape[0]
    return LoraLayer(down, up, scale, left.pop(name + DORA, None))


def _silent_siblings(layers: Mapping[str, LoraLayer]) -> dict[str, LoraLayer]:
    """Zeros for attention layers of the text encoder beside trained ones: from a file that lacks some,
    diffusers cannot tell the rest, and drops or refuses it.
    """
    siblings: dict[str, LoraLayer] = {}
    for path, layer in layers.items():
        attention, _, name = path.rpartition(".")
        if path.startswith("text_encoder.") and name in ATTENTION and layer.magnitude is None:
            silent = LoraLayer(
                torch.zeros_like(layer.down), torch.zeros_like(layer.up), layer.scale
            )
            siblings |= {f"{attention}.{sibling}": silent for sibling in ATTENTION}
    return siblings


def _metadata(layers: Mapping[str, LoraLayer]) -> dict[str, str]:
    first = next(iter(layers.values()))
    return {
        "studio.format": "kohya",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(first.rank),
        "ss_network_alpha": f"{first.alpha:g}",
        "ss_network_args": json.dumps({}),
    }
