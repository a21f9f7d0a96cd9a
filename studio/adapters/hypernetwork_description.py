"""What A1111's hypernetwork files say of themselves beside the weights, read and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from studio.adapters.adapter import AdapterHeader
from studio.adapters.hypernetwork_network import Structure, structure_of
from studio.errors import AdapterError

KIND = "hypernetwork"
DROPOUT = 0.3  # the share that A1111 means where a file says only that there is dropout


def described(structure: Structure) -> dict[str, Any]:
    """The fields of a file that tell a network's shape."""
    return {
        "layer_structure": list(structure.layer_structure),
        "activation_func": structure.activation_func,
        "is_layer_norm": structure.add_layer_norm,
        "activate_output": structure.activate_output,
    }


def structure_in(table: Mapping[Any, Any]) -> Structure:
    """The structure that a file's fields tell; what old files leave out is what A1111 takes it for.

    Raises:
        AdapterError: a field makes no sense, or the activation is none that can be applied.
    """
    layers = table.get("layer_structure") or (1, 2, 1)
    try:
        multiples = tuple(float(multiple) for multiple in layers)
    except (TypeError, ValueError) as error:
        raise AdapterError(
            f"its layer structure {str(layers)[:80]} is no list of numbers"
        ) from error
    return Structure(
        layer_structure=multiples,
        activation_func=str(table.get("activation_func") or "linear"),
        add_layer_norm=bool(table.get("is_layer_norm", False)),
        activate_output=bool(table.get("activate_output", True)),
    )


def dropout_in(table: Mapping[Any, Any], structure: Structure) -> list[float]:
    """The share that is left out behind each width of the layer structure; only their places matter
    to a reader, for dropouts are members of the numbered sequence too.

    Raises:
        AdapterError: there are more or fewer of them than widths.
    """
    count = len(structure.layer_structure)
    given = table.get("dropout_structure")
    if given is None:
        given = [0.0] * count
        if table.get("use_dropout"):
            given[1 : count - 2] = [DROPOUT] * max(0, count - 3)
            given[count - 2] = DROPOUT if table.get("last_layer_dropout") and count > 2 else 0.0
    if not isinstance(given, list | tuple) or len(given) != count:
        raise AdapterError(f"its dropout structure {str(given)[:80]} does not fit {count} widths")
    return [float(share) for share in given]


def without_dropouts(
    state: Mapping[str, Tensor], structure: Structure, dropouts: list[float]
) -> dict[str, Tensor]:
    """A network's tensors renumbered as if the dropouts in its sequence were not there.

    Raises:
        AdapterError: a key stands for no member that has weights.
    """
    renumbered: dict[str, str] = {}
    place = removed = 0
    for number, layer in enumerate(structure.layers(), start=1):
        for _ in layer:
            renumbered[f"linear.{place}"] = f"linear.{place - removed}"
            place += 1
        if dropouts[number] > 0:
            place, removed = place + 1, removed + 1
    result: dict[str, Tensor] = {}
    for key, tensor in state.items():
        member, _, parameter = key.rpartition(".")
        if member not in renumbered:
            raise AdapterError(f"its tensor {key[:80]!r} has no place in its layer structure")
        result[f"{renumbered[member]}.{parameter}"] = tensor
    return result


def completed(header: AdapterHeader, structure: Structure, widths: Iterable[int]) -> AdapterHeader:
    """The header with what can be told from the file where it says nothing: settings and family.

    Raises:
        AdapterError: the settings in the header are of another structure than the file.
    """
    if header.settings and structure_of(header.settings) != structure:
        raise AdapterError("its header tells of another layer structure than the file has")
    return replace(
        header,
        settings=header.settings or _settings(structure),
        family=header.family or _family(set(widths)),
    )


def _settings(structure: Structure) -> str:
    return json.dumps(
        {
            "kind": KIND,
            "layer_structure": structure.layer_structure,
            "activation_func": structure.activation_func,
            "add_layer_norm": structure.add_layer_norm,
            "activate_output": structure.activate_output,
        }
    )


def _family(widths: set[int]) -> str:
    """By the width of the text; A1111 offered 1024 for every base, so 768 beside it decides."""
    if 2048 in widths:
        return "sdxl"
    return "sd2" if 1024 in widths and 768 not in widths else "sd1"
