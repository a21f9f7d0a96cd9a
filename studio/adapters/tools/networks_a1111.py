"""The networks that A1111 1.10.1 makes of a hypernetwork's file (modules/hypernetworks/hypernetwork.py)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from studio.adapters.tools.tables import Table, UnreadError, require_safe, state_dict

Networks = dict[tuple[int, int], nn.Module]
"""By the context's width and 0 for keys or 1 for values: what is added to a context at strength 1."""
PT_ALONE = "it lists hypernetworks as .pt alone; export as a1111"


def read_networks(table: Table) -> Networks:
    """The members that the file's fields tell of; state dicts must fit them to the key.

    Raises:
        UnreadError: they do not, or the file is none that it loads.
    """
    if not table.is_pickled:
        raise UnreadError(PT_ALONE)
    require_safe(table)
    return {
        (width, side): _network(width, table.entries, state_dict(pair, side))
        for width, pair in table.entries.items()
        if type(width) is int
        for side in (0, 1)
    }


def _network(width: int, fields: Mapping[Any, Any], state: Mapping[str, Tensor]) -> nn.Module:
    network = nn.Sequential(*_members(width, fields))
    given = {_today(key): tensor for key, tensor in state.items()}
    wanted = {f"linear.{key}": tensor.shape for key, tensor in network.state_dict().items()}
    for key in sorted(wanted.keys() | given.keys()):
        if key not in given:
            raise UnreadError(f"its network of width {width} lacks {key}, which is not there")
        if wanted.get(key) != given[key].shape:
            raise UnreadError(
                f"its network of width {width} has no place for {key} of {tuple(given[key].shape)}"
            )
    own = {key.removeprefix("linear."): tensor.float() for key, tensor in given.items()}
    network.load_state_dict(own, assign=True)
    return network.eval()


def _members(width: int, fields: Mapping[Any, Any]) -> list[nn.Module]:
    multiples = fields.get("layer_structure", [1, 2, 1])
    if multiples[0] != 1 or multiples[-1] != 1:
        raise UnreadError(f"it wants a layer structure from 1 to 1, not {multiples}")
    activation = fields.get("activation_func")
    dropouts = _dropouts(fields, len(multiples))
    members: list[nn.Module] = []
    for number in range(1, len(multiples)):
        before, after = (int(width * multiple) for multiple in multiples[number - 1 : number + 1])
        members.append(nn.Linear(before, after, device="meta"))
        is_inner = number < len(multiples) - 1
        if activation not in (None, "linear") and (is_inner or fields.get("activate_output", True)):
            members.append(_activation(activation))
        if fields.get("is_layer_norm", False):
            members.append(nn.LayerNorm(after, device="meta"))
        if dropouts[number] > 0:
            members.append(nn.Dropout())
    return members


def _activation(name: Any) -> nn.Module:
    """Every class of torch's activations by its lower-case name, and ``swish`` for Hardswish."""
    known: dict[str, Any] = {"swish": nn.Hardswish}
    for class_name, found in inspect.getmembers(nn.modules.activation, inspect.isclass):
        if found.__module__ == nn.modules.activation.__name__:
            known[class_name.lower()] = found
    try:
        activation: nn.Module = known[name]()
    except (KeyError, TypeError) as error:
        raise UnreadError(f"it knows no activation {str(name)[:40]!r}") from error
    return activation


def _dropouts(fields: Mapping[Any, Any], count: int) -> list[float]:
    """The shares left out behind each width: they do nothing at sampling, but count as members."""
    stated: list[float] | None = fields.get("dropout_structure")
    if stated is not None:
        if len(stated) < count:
            raise UnreadError(f"it wants a dropout for each of {count} widths, not {stated}")
        return stated
    if not fields.get("use_dropout", False):
        return [0.0] * count
    last = 0.3 if fields.get("last_layer_dropout", False) else 0.0
    return [0.0, *[0.3] * (count - 3), last, 0.0]


def _today(key: str) -> str:
    """Files of October 2022 have ``linear1`` and ``linear2``."""
    return key.replace("linear1.", "linear.0.").replace("linear2.", "linear.1.")
