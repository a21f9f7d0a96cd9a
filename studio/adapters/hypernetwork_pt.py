"""Hypernetworks as A1111 keeps them: a pickled table, one pair of state dicts to each context width.

The keys for the widths are whole numbers, the rest are text. Members of each network are counted with
their dropouts in files that have any; ours have none, for ComfyUI leaves such files' dropout switched
on while it draws, and at sampling they would do nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from studio import atomic
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.header import from_metadata, to_metadata
from studio.adapters.hypernetwork_description import (
    KIND,
    completed,
    described,
    dropout_in,
    structure_in,
    without_dropouts,
)
from studio.adapters.hypernetwork_network import (
    Structure,
    networks_of,
    neutral_tensors,
    structure_of,
)
from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.adapters.tensor_bytes import Dtype, rounded
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

OURS = "studio"  # our header's entry; A1111 and ComfyUI pass over keys that are no numbers
_OLD_KEYS = {"linear1.": "linear.0.", "linear2.": "linear.1."}
_WEIGHT_INITS = {
    "normal": "Normal",
    "xavier_uniform": "XavierUniform",
    "xavier_normal": "XavierNormal",
    "kaiming_uniform": "KaimingUniform",
    "kaiming_normal": "KaimingNormal",
}


def recognises(keys: Iterable[str]) -> bool:
    """Whether a pickled table with these keys is a hypernetwork."""
    return any(key.isdecimal() for key in keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file.

    Raises:
        AdapterError: the adapter is not whole, or a value does not fit ``dtype``.
    """
    table: dict[int | str, Any] = {
        width: tuple(
            {key: rounded(f"{width}.{key}", t, dtype) for key, t in network.state_dict().items()}
            for network in pair
        )
        for width, pair in networks_of(adapter).items()
    }
    atomic.write_bytes(path, legacy_bytes(table | _fields(adapter.header)))


def read_path(path: Path) -> Adapter:
    """The adapter in a file, ours or A1111's own.

    Raises:
        AdapterError: the file is broken, hostile, or no hypernetwork that can be applied.
    """
    table = load_restricted(path)
    if not isinstance(table, dict):
        raise AdapterError(f"it holds a {type(table).__name__}, no table of networks")
    structure = structure_in(table)
    dropouts = dropout_in(table, structure)
    parts = {
        (width, side): without_dropouts(state, structure, dropouts)
        for width, pair in table.items()
        if type(width) is int
        for side, state in enumerate(_pair(width, pair))
    }
    header = completed(_header(table), structure, {width for width, _ in parts})
    adapter = Adapter(header, neutral_tensors(parts))
    networks_of(adapter)  # told here rather than when it is put on a base
    return adapter


def _pair(width: int, pair: Any) -> list[dict[str, Tensor]]:
    """The two state dicts of a width, fp32, under today's keys."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise AdapterError(f"its entry for contexts of width {width} is no pair of networks")
    states = []
    for state in pair:
        if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
            raise AdapterError(f"its entry for contexts of width {width} is no pair of networks")
        states.append({_today(str(key)): tensor.float() for key, tensor in state.items()})
    return states


def _today(key: str) -> str:
    """Files of October 2022 have ``linear1`` and ``linear2``, without an activation between them."""
    old = next((prefix for prefix in _OLD_KEYS if key.startswith(prefix)), None)
    return key if old is None else _OLD_KEYS[old] + key.removeprefix(old)


def _fields(header: AdapterHeader) -> dict[str, Any]:
    """Everything but the weights, in A1111's order."""
    metadata = to_metadata(header)
    structure = structure_of(header.settings)
    weight_init = json.loads(header.settings).get("weight_init", "normal")
    shape = described(structure)
    return {
        "step": header.steps,
        "name": header.title or KIND,
        "layer_structure": shape["layer_structure"],
        "activation_func": shape["activation_func"],
        "is_layer_norm": shape["is_layer_norm"],
        "weight_initialization": _WEIGHT_INITS.get(weight_init, "Normal"),
        "sd_checkpoint": header.base_digest[:10] or None,
        "sd_checkpoint_name": metadata["ss_sd_model_name"] or None,
        "activate_output": shape["activate_output"],
        "use_dropout": False,
        "dropout_structure": _no_dropout(structure),
        "last_layer_dropout": False,
        "optional_info": f"trigger: {header.trigger}" if header.trigger else None,
        OURS: {key: text for key, text in metadata.items() if key.startswith("studio.")},
    }


def _no_dropout(structure: Structure) -> list[float]:
    return [0.0] * len(structure.layer_structure)


def _header(table: Mapping[Any, Any]) -> AdapterHeader:
    ours = table.get(OURS)
    if isinstance(ours, dict):
        return from_metadata({str(key): str(text) for key, text in ours.items()}, KIND)
    steps = table.get("step")
    return AdapterHeader(
        kind=KIND,
        family="",
        base_name=str(table.get("sd_checkpoint_name") or ""),
        base_digest="",
        settings="",
        steps=steps if isinstance(steps, int) else 0,
        title=str(table.get("name") or ""),
    )
