"""OFT, LoHa and LoKr files for peft: for OFT what no webui reads as peft trains it, exactly as peft has it.

peft rotates a layer's input, LyCORIS and kohya its output, so an OFT of peft's is not theirs. Names are
those of the live modules behind the part, ``unet.….oft_R.weight``, ``unet.….hada_w1_a``; the metadata key
``peft_configs`` lists the configurations in JSON, one for each part and each way that its layers are
built, with ``part`` beside it. To load one part, here of an OFT, of others with LoHaConfig or LoKrConfig::

    for config in configs:  # those of "unet"
        inject_adapter_in_model(OFTConfig(**config), pipeline.unet)
    set_peft_model_state_dict(pipeline.unet, tensors)  # those behind "unet.", without it

peft warns from the second configuration on; it is what is meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.layer_change import ALPHA, VARIANT_PARTS
from studio.adapters.lora_layers import adapter_of, layers_of, parts_by_path, variant_of_all
from studio.adapters.names import PARTS, flat
from studio.adapters.peft_configs import EXACT, configs_of, live_path
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

CONFIG_KEY = "peft_configs"
VARIANTS = ("oft", "loha", "lokr")
_ENDINGS = frozenset().union(*(VARIANT_PARTS[variant] for variant in VARIANTS)) - {ALPHA}


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are an OFT, LoHa or LoKr in this naming."""
    return any(
        key.partition(".")[0] in PARTS and key.endswith(tuple(f".{end}" for end in _ENDINGS))
        for key in keys
    )


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file; alphas stand in its configurations.

    Raises:
        AdapterError: it is of another variant, peft cannot build its layers, or a value does not fit
            ``dtype``.
    """
    layers = layers_of(adapter)
    variant = variant_of_all(layers)
    if variant not in VARIANTS:
        raise AdapterError(f"the format peft is for {', '.join(VARIANTS)}, this is a {variant}")
    tensors = {
        f"{live_path(path_)}.{name}": rounded(path_, tensor, dtype)
        for path_, parts in layers.items()
        for name, tensor in parts.items()
        if name != ALPHA
    }
    configs = configs_of(layers, adapter.header.family)
    more = {"studio.format": "peft", CONFIG_KEY: json.dumps(configs)}
    write_tensors(path, tensors, adapter.header, more)


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors.

    Raises:
        AdapterError: a tensor has no place in this naming, or the metadata do not say how its layers
            are made, or another way.
    """
    layers = parts_by_path({flat(key): t for key, t in tensors.items()})
    variant = variant_of_all(layers)
    try:
        configs = json.loads(metadata.get(CONFIG_KEY, ""))
        if variant == "oft":
            _require_exact(configs)
        else:
            alphas = _alphas(configs)
            layers = {path: {**parts, ALPHA: alphas[path]} for path, parts in layers.items()}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AdapterError(
            f"its metadata have no {CONFIG_KEY} that say how each layer rotates or scales"
        ) from error
    return adapter_of(layers, metadata)


def _require_exact(configs: list[dict[str, Any]]) -> None:
    if any(config[name] != value for config in configs for name, value in EXACT.items()):
        raise AdapterError(f"its rotations are not by Cayley's formula alone: {EXACT} is read")


def _alphas(configs: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """By neutral path."""
    return {
        flat(f"{config['part']}.{module}"): torch.tensor([float(config["alpha"])])
        for config in configs
        for module in config["target_modules"]
    }
