"""A hypernetwork's networks: what its trainer trains, and what its files hold.

As AUTOMATIC1111's stable-diffusion-webui defined them (modules/hypernetworks/hypernetwork.py, 1.10.1):
for every width of context that attention reads, two residual networks, one before ``to_k`` and one
before ``to_v``, each ``x + strength * net(x)``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.adapters.adapter import Adapter
from studio.errors import AdapterError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,  # so A1111's name for it, not SiLU
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    # The rest of torch.nn's activations that take no argument, have no weights of their own and treat
    # each number by itself, by lower-case name.
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "hardshrink": nn.Hardshrink,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "logsigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
    "relu6": nn.ReLU6,
    "rrelu": nn.RReLU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "softshrink": nn.Softshrink,
    "softsign": nn.Softsign,
    "tanhshrink": nn.Tanhshrink,
}
KEYS, VALUES = 0, 1


@dataclass(frozen=True)
class Structure:
    """The shape of a hypernetwork's networks.

    Attributes:
        layer_structure: width of each layer as a multiple of the context's; starts and ends with 1.
        activation_func: a name of `ACTIVATIONS`; it follows every linear layer but the last.
        add_layer_norm: a layer norm follows every linear layer (and its activation), the last too.
        activate_output: the activation follows the last linear layer as well.
    """

    layer_structure: tuple[float, ...] = (1, 2, 1)
    activation_func: str = "linear"
    add_layer_norm: bool = False
    activate_output: bool = False

    def __post_init__(self) -> None:
        layers = self.layer_structure
        sound = len(layers) > 1 and all(0 < multiple < math.inf for multiple in layers)
        if not sound or layers[0] != 1 or layers[-1] != 1:
            raise AdapterError(f"its layer structure {list(layers)} does not go from 1 to 1")
        if self.activation_func not in ACTIVATIONS:
            raise AdapterError(
                f"its activation function {self.activation_func!r} cannot be applied; "
                f"there are: {', '.join(ACTIVATIONS)}"
            )

    def layers(self) -> list[list[str]]:
        """The members of each layer in their order: ``linear``, ``activation``, ``layer_norm``."""
        last = len(self.layer_structure) - 1
        layers: list[list[str]] = []
        for number in range(1, last + 1):
            layers.append(["linear"])
            if self.activation_func != "linear" and (self.activate_output or number < last):
                layers[-1].append("activation")
            if self.add_layer_norm:
                layers[-1].append("layer_norm")
        return layers

    def widths(self, width: int) -> list[int]:
        """Numbers that enter the first layer, then those that leave each, for contexts of ``width``."""
        return [int(width * multiple) for multiple in self.layer_structure]


class ContextNetwork(nn.Module):
    """One network. Its parameters are named as in A1111's files: ``linear.I.weight``, where I counts
    linear layers, activations and layer norms, but no dropout.
    """

    def __init__(
        self, width: int, structure: Structure, dropout_structure: tuple[float, ...] = ()
    ) -> None:
        """New weights are torch's own draws; `Trainer`s draw others.

        Args:
            width: of the context.
            dropout_structure: the share of numbers left out behind each layer while training, as long
                as ``layer_structure``; empty: none.
        """
        super().__init__()
        widths, members = structure.widths(width), list[nn.Module]()
        self._dropout_before: dict[int, float] = {}
        for number, layer in enumerate(structure.layers()):
            if dropout_structure and dropout_structure[number]:
                self._dropout_before[len(members)] = dropout_structure[number]
            before, after = widths[number : number + 2]
            members += [_member(kind, before, after, structure.activation_func) for kind in layer]
        self.linear = nn.Sequential(*members)

    def forward(self, context: Tensor) -> Tensor:
        """What is added to the context at strength 1.

        Args:
            context: (..., width), fp32.
        """
        hidden = context
        for number, member in enumerate(self.linear):
            rate = self._dropout_before.get(number, 0.0)
            hidden = member(functional.dropout(hidden, rate, self.training) if rate else hidden)
        return hidden


def _member(kind: str, before: int, after: int, activation_func: str) -> nn.Module:
    match kind:
        case "linear":
            return nn.Linear(before, after)
        case "layer_norm":
            return nn.LayerNorm(after)
    return ACTIVATIONS[activation_func]()


NetworkPair = tuple[ContextNetwork, ContextNetwork]
"""The networks of one context width: for the keys, for the values."""


def structure_of(settings: str) -> Structure:
    """The structure that a hypernetwork's settings (JSON) say.

    Raises:
        AdapterError: they are not a hypernetwork's.
    """
    try:
        stated = json.loads(settings)
        return Structure(
            layer_structure=tuple(float(multiple) for multiple in stated["layer_structure"]),
            activation_func=str(stated["activation_func"]),
            add_layer_norm=bool(stated["add_layer_norm"]),
            activate_output=bool(stated["activate_output"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AdapterError(
            f"the adapter's settings {settings[:80]!r} name no hypernetwork's structure; "
            "export it anew"
        ) from error


def networks_of(adapter: Adapter) -> dict[int, NetworkPair]:
    """The networks in an adapter by context width, in ascending order; eval mode, fp32, frozen.

    Raises:
        AdapterError: a tensor is missing, is of another shape or has no place in the structure.
    """
    structure = structure_of(adapter.header.settings)
    parts = state_dicts(adapter.tensors)
    pairs: dict[int, NetworkPair] = {}
    for width in sorted({width for width, _ in parts}):
        keys, values = (
            _network(width, structure, parts.get((width, side), {})) for side in (KEYS, VALUES)
        )
        pairs[width] = keys, values
    return pairs


def state_dicts(tensors: Mapping[str, Tensor]) -> dict[tuple[int, int], dict[str, Tensor]]:
    """The tensors of each network, by (context width, `KEYS` or `VALUES`).

    Raises:
        AdapterError: a name is none of a hypernetwork's, or there is no tensor at all.
    """
    parts: dict[tuple[int, int], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        width, _, rest = name.partition(".")
        side, _, key = rest.partition(".")
        if not width.isdecimal() or side not in ("0", "1") or not key.startswith("linear."):
            raise AdapterError(f"{name[:80]!r} is no tensor of a hypernetwork")
        parts.setdefault((int(width), int(side)), {})[key] = tensor
    if not parts:
        raise AdapterError("the adapter is a hypernetwork without any tensor")
    return parts


def neutral_tensors(parts: Mapping[tuple[int, int], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The way back from `state_dicts`: ``768.0.linear.0.weight``, sorted by width."""
    return {
        f"{width}.{side}.{key}": tensor
        for (width, side), state in sorted(parts.items())
        for key, tensor in state.items()
    }


def _network(width: int, structure: Structure, state: Mapping[str, Tensor]) -> ContextNetwork:
    with torch.device("meta"):  # weights come from the file; none need be drawn first
        network = ContextNetwork(width, structure)
    expected = network.state_dict()
    for key in sorted(set(expected) | set(state)):
        wanted = tuple(expected[key].shape) if key in expected else None
        given = tuple(state[key].shape) if key in state else None
        if wanted != given:
            raise AdapterError(
                f"the hypernetwork for contexts of width {width} has {key} of shape {given}, but "
                f"its structure {list(structure.layer_structure)} wants {wanted}"
            )
    network.load_state_dict({k: t.float() for k, t in state.items()}, assign=True)
    return network.requires_grad_(False).eval()
