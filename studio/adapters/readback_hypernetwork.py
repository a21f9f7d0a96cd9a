"""How A1111 applies a hypernetwork file: its loading rules step by step, on random contexts.

The networks are built from what the file says of itself, member by member as in A1111's source, take
exactly the tensors that it would look up, and are compared by what they add to a context.
"""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.adapters.adapter import Adapter
from studio.adapters.hypernetwork_network import networks_of
from studio.adapters.measurement import Measurement, relative
from studio.adapters.readback import load_content
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError

TOKENS = 16
# A network that adds less than this share of its context is compared with that: its values may be below
# what fp16 can hold, and nobody would see them.
FLOOR = 1e-3
DTYPES = (torch.float32, torch.float16, torch.bfloat16)  # from fine to coarse
States = dict[str, dict[str, Tensor]]
"""State dicts by ``768.0``: context width, then 0 for keys and 1 for values."""


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Read ``path`` as A1111 does and compare each network's output with ``adapter``'s.

    Raises:
        VerificationError: the file cannot be read.
    """
    table, states = _content(path)
    trained = {
        f"{width}.{side}": network
        for width, pair in networks_of(adapter).items()
        for side, network in enumerate(pair)
    }
    read_widths = _context_widths(base)
    differences: dict[str, float] = {}
    unmatched: list[str] = []
    for part, state in states.items():
        width = int(part.partition(".")[0])
        if width not in read_widths:
            unmatched.append(f"{part}, for no attention of the base reads contexts of that width")
            continue
        network = _sequence(width, table)
        problems = _load(network, state)
        unmatched += [f"{part}.{problem}" for problem in problems]
        if not problems and part in trained:
            differences[part] = _difference(network, trained[part], width)
    return Measurement(
        differences=differences,
        missing=tuple(sorted(set(trained) - set(states))),
        unmatched=tuple(unmatched),
        tensors=sum(len(state) for state in states.values()),
        dtype=max((t.dtype for s in states.values() for t in s.values()), key=DTYPES.index),
    )


def networks_in(path: Path) -> dict[tuple[int, int], nn.Module]:
    """The networks of a file by context width and 0 for keys or 1 for values; frozen.

    Raises:
        VerificationError: the file cannot be read, or a network lacks a tensor.
    """
    table, states = _content(path)
    networks: dict[tuple[int, int], nn.Module] = {}
    for part, state in states.items():
        width, side = map(int, part.split("."))
        network = _sequence(width, table).requires_grad_(False)
        if problems := _load(network, state):
            raise VerificationError(f"{path.name}: {part}.{problems[0]}")
        networks[width, side] = network
    return networks


@torch.no_grad()
def _difference(read: nn.Module, trained: nn.Module, width: int) -> float:
    generator = torch.Generator().manual_seed(width)
    context = torch.randn((TOKENS, width), generator=generator)
    wanted = trained(context)
    size = max(wanted.norm().item(), FLOOR * context.norm().item())
    return relative((read(context) - wanted).norm().item(), size)


def _sequence(width: int, table: Mapping[str, Any]) -> nn.Module:
    """A network as the file's own fields say it is."""
    layers = table.get("layer_structure", [1, 2, 1])
    name = table.get("activation_func")
    dropouts = table.get("dropout_structure") or [0] * len(layers)
    members: list[nn.Module] = []
    for i in range(len(layers) - 1):
        members.append(nn.Linear(int(width * layers[i]), int(width * layers[i + 1])))
        is_output = i == len(layers) - 2
        if name not in (None, "linear") and (not is_output or table.get("activate_output", True)):
            members.append(_activation(name))
        if table.get("is_layer_norm", False):
            members.append(nn.LayerNorm(int(width * layers[i + 1])))
        if dropouts[i + 1]:
            members.append(nn.Dropout(dropouts[i + 1]))
    return nn.Sequential(*members).eval()


def _activation(name: str) -> nn.Module:
    """Every class of torch's activations is known by its lower-case name; only "swish" is not."""
    classes = inspect.getmembers(nn.modules.activation, inspect.isclass)
    by_name: dict[str, Any] = {class_name.lower(): found for class_name, found in classes}
    by_name["swish"] = nn.Hardswish
    activation: nn.Module = by_name[name]()
    return activation


def _load(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Put a state dict in; what stays unused, is missing or does not fit, one clause each."""
    own = {f"linear.{key}": tensor for key, tensor in network.state_dict().items()}
    problems = [f"{key} is not looked up" for key in state if key not in own]
    problems += [f"{key} is not there" for key in own if key not in state]
    problems += [
        f"{key} does not fit" for key in own if key in state and state[key].shape != own[key].shape
    ]
    if not problems:
        network.load_state_dict({k.removeprefix("linear."): t.float() for k, t in state.items()})
    return problems


def _content(path: Path) -> tuple[dict[str, Any], States]:
    return _read_pt(path) if _is_pickled(path) else _read_safetensors(path)


def _is_pickled(path: Path) -> bool:
    """By content, for a file that is being verified has a temporary name: a safetensors file has its
    JSON header behind eight bytes of length.
    """
    with path.open("rb") as file:
        return file.read(9)[8:] != b"{"


def _read_pt(path: Path) -> tuple[dict[str, Any], States]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise VerificationError(
            f"{path.name} cannot be read back: {type(error).__name__}"
        ) from error
    states = {
        f"{width}.{side}": dict(pair[side])
        for width, pair in content.items()
        if type(width) is int
        for side in (0, 1)
    }
    return {key: value for key, value in content.items() if type(key) is str}, states


def _read_safetensors(path: Path) -> tuple[dict[str, Any], States]:
    content = load_content(path)
    table = {
        key.removeprefix("hypernetwork."): json.loads(text)
        for key, text in content.metadata.items()
        if key.startswith("hypernetwork.")
    }
    states: States = {}
    for name, tensor in content.tensors.items():
        width, side, key = name.split(".", 2)
        states.setdefault(f"{width}.{side}", {})[key] = tensor
    return table, states


def _context_widths(base: BaseModel) -> set[int]:
    attention = [m for n, m in base.unet.named_modules() if n.endswith((".attn1", ".attn2"))]
    return {module.to_k.in_features for module in attention}
