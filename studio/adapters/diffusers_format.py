"""LoRA files in peft's naming, as diffusers' ``load_lora_weights`` reads them.

``unet.….lora_A.weight`` and ``….lora_B.weight`` by module path, the text encoder nested in
``text_model.``; rank, alpha and targets of each part as peft's LoraConfig, in JSON under the metadata
key ``lora_adapter_metadata``. DoRA's magnitude is spelled ``….lora_magnitude_vector.weight``, the only
spelling that transformers' adapter loader finds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from studio.adapters import lora_layers
from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.lora_layers import (
    DOWN,
    MAGNITUDE,
    UP,
    LoraLayer,
    adapter_of,
    are_a_pair,
    layers_of,
)
from studio.adapters.names import flat, nested
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.errors import AdapterError

CONFIG_KEY = "lora_adapter_metadata"
PARTS = ("unet", "text_encoder")
trained_changes = lora_layers.trained_changes


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a LoRA in this naming."""
    return any(key.endswith(DOWN) and key.partition(".")[0] in PARTS for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype) -> None:
    """Write one file.

    Raises:
        AdapterError: a value does not fit ``dtype``.
    """
    layers = layers_of(adapter)
    tensors: dict[str, torch.Tensor] = {}
    for module, layer in layers.items():
        name = nested(module)
        tensors[name + DOWN] = rounded(name, layer.down, dtype)
        tensors[name + UP] = rounded(name, layer.up, dtype)
        if layer.magnitude is not None:
            shape = (-1,) if layer.down.dim() == 2 else (1, -1, 1, 1)  # as peft has them
            magnitude = layer.magnitude.reshape(shape)
            tensors[f"{name}{MAGNITUDE}.weight"] = rounded(name, magnitude, dtype)
    more = {"studio.format": "diffusers", CONFIG_KEY: json.dumps(_configs(layers))}
    write_tensors(path, tensors, adapter.header, more)


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors; without a configuration alpha equals rank, as diffusers has it.

    Raises:
        AdapterError: a tensor has no place in this naming, or a layer is incomplete.
    """
    configs = _stated_configs(metadata)
    left = {key.replace(f"{MAGNITUDE}.weight", MAGNITUDE): t for key, t in tensors.items()}
    layers: dict[str, LoraLayer] = {}
    for name in sorted(key.removesuffix(DOWN) for key in tensors if key.endswith(DOWN)):
        down, up = left.pop(name + DOWN), left.pop(name + UP, None)
        if up is None or not are_a_pair(down, up):
            raise AdapterError(f"its layer {name!r} lacks a lora_B that fits its lora_A")
        path = flat(name)
        scale = _stated_scale(configs, path, down.shape[0])
        layers[path] = LoraLayer(down, up, scale, left.pop(name + MAGNITUDE, None))
    if left or not layers:
        raise AdapterError(f"its tensor {next(iter(left), 'list')!r} has no place in a LoRA")
    return adapter_of(layers, from_metadata(metadata, "lora"))


def _configs(layers: Mapping[str, LoraLayer]) -> dict[str, Any]:
    """Peft's LoraConfig of each part, its keys behind the part's name.

    Targets are whole paths without ``text_model.``: peft compares path endings, so they fit the
    text encoder of every transformers version.
    """
    configs: dict[str, Any] = {}
    for part in PARTS:
        own = {p.removeprefix(f"{part}."): v for p, v in layers.items() if p.startswith(f"{part}.")}
        if not own:
            continue
        rank = Counter(layer.rank for layer in own.values()).most_common(1)[0][0]
        others = {path: layer for path, layer in own.items() if layer.rank != rank}
        config = {
            "r": rank,
            "lora_alpha": next(layer.alpha for layer in own.values() if layer.rank == rank),
            "target_modules": list(own),
            "use_dora": any(layer.magnitude is not None for layer in own.values()),
            "rank_pattern": {path: layer.rank for path, layer in others.items()},
            "alpha_pattern": {path: layer.alpha for path, layer in others.items()},
        }
        configs |= {f"{part}.{key}": value for key, value in config.items()}
    return configs


def _stated_configs(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        configs = json.loads(metadata.get(CONFIG_KEY, "{}"))
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"its metadata key {CONFIG_KEY} is not JSON") from error
    if not isinstance(configs, dict):
        raise AdapterError(f"its metadata key {CONFIG_KEY} is not a JSON object")
    return configs


def _stated_scale(configs: Mapping[str, Any], path: str, rank: int) -> float:
    part, _, module = path.partition(".")
    pattern = configs.get(f"{part}.alpha_pattern") or {}
    try:
        alpha = float(pattern.get(module, configs.get(f"{part}.lora_alpha", rank)))
    except (TypeError, ValueError, AttributeError) as error:
        raise AdapterError(f"its metadata key {CONFIG_KEY} has a broken alpha") from error
    return alpha / (rank**0.5 if configs.get(f"{part}.use_rslora") else rank)
