"""The networks that ComfyUI 2025-10 makes of a hypernetwork's file (comfy_extras/nodes_hypernetwork.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from studio.adapters.tools.tables import Table, UnreadError, state_dict

Networks = dict[tuple[int, int], nn.Module]
"""By the context's width and 0 for keys or 1 for values: what is added to a context at strength 1."""

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softsign": nn.Softsign,
    "mish": nn.Mish,
}


def read_networks(table: Table) -> Networks:
    """One linear layer for each weight in the state dict's order; with layer norms, every other one.

    Raises:
        UnreadError: it does not know the activation, or finds no such layers.
    """
    fields = table.entries
    activation = fields.get("activation_func", "linear")
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise UnreadError(f"it knows no activation {str(activation)[:40]!r}; it knows {known}")
    networks: Networks = {}
    for key in fields:
        if (width := _whole_number(key)) is None:
            continue
        if width not in fields:
            raise UnreadError(f"it looks for the networks of {key!r} under the number")
        for side in (0, 1):
            networks[width, side] = _network(fields, state_dict(fields[width], side))
    if not networks:
        raise UnreadError("it finds no networks in it, for they stand under no numbers")
    return networks


def _network(fields: Mapping[Any, Any], state: dict[str, Tensor]) -> nn.Module:
    activation = fields.get("activation_func", "linear")
    has_norms = fields.get("is_layer_norm", False)
    layers = [key.removesuffix(".weight") for key in state if key.endswith(".weight")]
    members: list[nn.Module] = []
    place = 0
    while place < len(layers):
        # Counted among the norms too: with them, the last linear layer is the last but one for it.
        is_last, is_second_last = place == len(layers) - 1, place == len(layers) - 2
        members.append(_filled(nn.Linear, state, layers[place]))
        if activation != "linear" and (not is_last or fields.get("activate_output", False)):
            members.append(_ACTIVATIONS[activation]())
        if has_norms:
            place += 1
            if place == len(layers):
                raise UnreadError("it finds no layer norm behind the last linear layer")
            members.append(_filled(nn.LayerNorm, state, layers[place]))
        is_dropped_after = not is_second_last or fields.get("last_layer_dropout", False)
        if fields.get("use_dropout", False) and not is_last and is_dropped_after:
            raise UnreadError("it leaves dropout switched on while it draws")
        place += 1
    return nn.Sequential(*members).eval()


def _filled(kind: type[nn.Module], state: Mapping[str, Tensor], name: str) -> nn.Module:
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    if bias is None:
        raise UnreadError(f"it looks for {name}.bias, which is not there")
    dims = 2 if kind is nn.Linear else 1
    if weight.dim() != dims or bias.shape != weight.shape[:1]:
        raise UnreadError(f"it cannot make a {kind.__name__} of {name}")
    module: nn.Module = kind(*reversed(weight.shape), device="meta")
    module.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
    return module


def _whole_number(key: Any) -> int | None:
    try:
        return int(key)
    except (TypeError, ValueError):
        return None
