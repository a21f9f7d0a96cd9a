"""Hypernetworks as safetensors: the neutral names, ``768.0.linear.0.weight``, and a header.

For tools that open no pickles. Beside the header that all our files have, ``hypernetwork.*`` says what
A1111's file says under the same words, as JSON, so that the weights can be used by that alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.hypernetwork_description import KIND, completed, described, structure_in
from studio.adapters.hypernetwork_network import networks_of, state_dicts, structure_of
from studio.adapters.tensor_bytes import Dtype, rounded, write_tensors
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

PREFIX = "hypernetwork."
_NAME = re.compile(r"\d+\.[01]\.linear\.\d+\.(weight|bias)")


def recognises(keys: Iterable[str]) -> bool:
    """Whether tensors of these names are a hypernetwork."""
    names = list(keys)
    return bool(names) and all(_NAME.fullmatch(name) for name in names)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:  # noqa: ARG001
    """Write one file.

    Raises:
        AdapterError: the adapter is not whole, or a value does not fit ``dtype``.
    """
    networks_of(adapter)
    shape = described(structure_of(adapter.header.settings))
    more = {f"{PREFIX}{field}": json.dumps(value) for field, value in shape.items()}
    tensors = {name: rounded(name, tensor, dtype) for name, tensor in adapter.tensors.items()}
    write_tensors(path, tensors, adapter.header, more | {"studio.format": "safetensors"})


def read(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Adapter:
    """The adapter in a file's tensors.

    Raises:
        AdapterError: it does not say its structure, or its tensors do not fit it.
    """
    try:
        table = {
            key.removeprefix(PREFIX): json.loads(text)
            for key, text in metadata.items()
            if key.startswith(PREFIX)
        }
    except ValueError as error:
        raise AdapterError(f"what it says of its structure is no JSON: {error}") from error
    if "layer_structure" not in table:
        raise AdapterError(f"it does not say {PREFIX}layer_structure, so it cannot be applied")
    widths = {width for width, _ in state_dicts(tensors)}
    header = completed(from_metadata(metadata, KIND), structure_in(table), widths)
    adapter = Adapter(header, dict(tensors))
    networks_of(adapter)
    return adapter
