"""LoRA files in peft's naming, as diffusers' ``load_lora_weights`` reads them.

``unet.….lora_A.weight`` and ``….lora_B.weight`` by module path, the text encoders nested in
``text_model.``; ranks, alphas and targets of each part as peft's LoraConfig, in JSON under the metadata
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

from studio.adapters.adapter import Adapter
from studio.adapters.layer_change import ALPHA, MAGNITUDE, rank_of
from studio.adapters.lora_layers import (
    Layers,
    adapter_of,
    layers_of,
    parts_by_path,
    require_whole,
    stated_alpha,
    variant_of_all,
)
from studio.adapters.names import PARTS, flat, nested
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

CONFIG_KEY = "lora_adapter_metadata"
DOWN = ".lora_A.weight"


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a LoRA in this naming."""
    return any(key.endswith(DOWN) and key.partition(".")[0] in PARTS for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file.

    Raises:
        AdapterError: a variant that diffusers' loader does not read, or a value that does not fit
            ``dtype``.
    """
    layers = layers_of(adapter)
    variant = variant_of_all(layers)
    if variant != "lora":
        raise AdapterError(f"diffusers' loader reads no {variant} files; export as kohya")
    tensors: dict[str, torch.Tensor] = {}
    for module, parts in layers.items():
        name = nested(module)
        for part, tensor in parts.items():
            if part == MAGNITUDE:
                shape = (-1,) if parts["lora_A.weight"].dim() == 2 else (1, -1, 1, 1)  # as in peft
                tensors[f"{name}.{part}.weight"] = rounded(name, tensor.reshape(shape), dtype)
            elif part != ALPHA:
                tensors[f"{name}.{part}"] = rounded(name, tensor, dtype)
    more = {"studio.format": "diffusers", CONFIG_KEY: json.dumps(_configs(layers))}
    write_tensors(path, tensors, adapter.header, more)


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors; without a configuration alpha equals rank, as diffusers has it.

    Raises:
        AdapterError: a tensor has no place in this naming, or a layer is incomplete.
    """
    configs = _stated_configs(metadata)
    named = {flat(key.replace(f"{MAGNITUDE}.weight", MAGNITUDE)): t for key, t in tensors.items()}
    layers = parts_by_path(named)
    for path, parts in layers.items():
        require_whole(path, parts)
        parts[ALPHA] = torch.tensor([_alpha(configs, path, rank_of(parts))])
    return adapter_of(layers, metadata)


def _configs(layers: Layers) -> dict[str, Any]:
    """Peft's LoraConfig of each part, its keys behind the part's name.

    Targets are whole paths without ``text_model.``: peft compares path endings, so they fit the
    text encoder of every transformers version.
    """
    configs: dict[str, Any] = {}
    for part in PARTS:
        own = {p.removeprefix(f"{part}."): v for p, v in layers.items() if p.startswith(f"{part}.")}
        if own:
            configs |= {f"{part}.{key}": value for key, value in _config(own).items()}
    return configs


def _config(layers: Layers) -> dict[str, Any]:
    widths = Counter((rank_of(parts), stated_alpha(parts)) for parts in layers.values())
    rank, alpha = widths.most_common(1)[0][0]
    ranks = {path: rank_of(parts) for path, parts in layers.items()}
    alphas = {path: stated_alpha(parts) for path, parts in layers.items()}
    return {
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": list(layers),
        "use_dora": any(MAGNITUDE in parts for parts in layers.values()),
        "rank_pattern": {path: own for path, own in ranks.items() if own != rank},
        "alpha_pattern": {path: own for path, own in alphas.items() if own != alpha},
    }


def _stated_configs(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        configs = json.loads(metadata.get(CONFIG_KEY, "{}"))
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"its metadata key {CONFIG_KEY} is not JSON") from error
    if not isinstance(configs, dict):
        raise AdapterError(f"its metadata key {CONFIG_KEY} is not a JSON object")
    return configs


def _alpha(configs: Mapping[str, Any], path: str, rank: int) -> float:
    """The alpha that states the layer's scale as alpha / rank."""
    part, _, module = path.partition(".")
    pattern = configs.get(f"{part}.alpha_pattern") or {}
    try:
        alpha = float(pattern.get(module, configs.get(f"{part}.lora_alpha", rank)))
    except (TypeError, ValueError, AttributeError) as error:
        raise AdapterError(f"its metadata key {CONFIG_KEY} has a broken alpha") from error
    return alpha * rank**0.5 if configs.get(f"{part}.use_rslora") else alpha
