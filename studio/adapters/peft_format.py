"""OFT files for peft: what no webui reads as peft trains it, exactly as peft has it.

peft rotates a layer's input, LyCORIS and kohya its output, so an OFT of peft's is not theirs. Names are
those of the live modules behind the part, ``unet.….oft_R.weight``; the metadata key ``peft_configs``
lists one OFTConfig for each part and block size, in JSON, with ``part`` beside it. To load one part::

    for config in configs:  # those of "unet"
        inject_adapter_in_model(OFTConfig(**config), pipeline.unet)
    set_peft_model_state_dict(pipeline.unet, tensors)  # those behind "unet.", without it

peft warns from the second block size on; it is what is meant.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import Layers, adapter_of, layers_of, parts_by_path, variant_of_all
from studio.adapters.names import PARTS, flat, nested
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

CONFIG_KEY = "peft_configs"
ROTATION = "oft_R.weight"
# peft's other ways to make a rotation of the same numbers, which change what a file means.
_EXACT = {"use_cayley_neumann": False, "coft": False, "block_share": False}


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are an OFT of peft's."""
    return any(key.endswith(f".{ROTATION}") and key.partition(".")[0] in PARTS for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file.

    Raises:
        AdapterError: it is no OFT, or a value does not fit ``dtype``.
    """
    layers = layers_of(adapter)
    variant = variant_of_all(layers)
    if variant != "oft":
        raise AdapterError(f"the format peft is for oft, this is a {variant}; export as kohya")
    tensors = {
        f"{live_path(path_)}.{ROTATION}": rounded(path_, parts[ROTATION], dtype)
        for path_, parts in layers.items()
    }
    more = {"studio.format": "peft", CONFIG_KEY: json.dumps(_configs(layers))}
    write_tensors(path, tensors, adapter.header, more)


def read(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors.

    Raises:
        AdapterError: a tensor has no place in this naming, or the metadata do not say how its rotations
            are made, or another way.
    """
    try:
        configs = json.loads(metadata.get(CONFIG_KEY, ""))
        odd = [c for c in configs if any(c[name] != value for name, value in _EXACT.items())]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise AdapterError(f"its metadata have no {CONFIG_KEY} that say how it rotates") from error
    if odd:
        raise AdapterError(f"its rotations are not by Cayley's formula alone: {_EXACT} is read")
    return adapter_of(parts_by_path({flat(key): t for key, t in tensors.items()}), metadata)


def live_path(path: str) -> str:
    """As the modules of transformers >= 5.6 are called: the second text encoder alone is nested."""
    return nested(path) if path.startswith("text_encoder_2.") else path


def _configs(layers: Layers) -> list[dict[str, Any]]:
    groups: dict[tuple[str, int], list[str]] = {}
    for path, parts in layers.items():
        part, _, module = live_path(path).partition(".")
        # n = side * (side - 1) / 2 numbers above the diagonal
        side = (1 + math.isqrt(1 + 8 * parts[ROTATION].shape[1])) // 2
        groups.setdefault((part, side), []).append(module)
    return [
        {"part": part, "r": 0, "oft_block_size": side, "target_modules": modules, **_EXACT}
        for (part, side), modules in groups.items()
    ]
