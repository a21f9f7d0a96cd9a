"""The common way of the tools: a file's tensors grouped by layer name, each name looked up, or not."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from studio.adapters.readback import FileContent, ReadBack
from studio.adapters.tools.arithmetic import Rules, change_of

Places = dict[str, tuple[str, Tensor]]
"""By the name that the tool knows a layer under: its neutral path in the base, and its weight."""


def looked_up(
    content: FileContent,
    places: Places,
    known_as: Callable[[str], str],
    rules: Rules,
) -> ReadBack:
    """Every tensor of a file given its layer.

    Args:
        known_as: from the name in the file to the tool's own.
    """
    result = ReadBack()
    for name, found in _by_layer(content).items():
        path, weight = places.get(known_as(name), ("", None))
        change = None if weight is None else change_of(found, weight, rules)
        if change is None:
            reason = "" if weight is None else ", which does not fit the layer"
            result.unmatched += [f"{name}.{part}{reason}" if part else name for part in found]
            continue
        result.changes[path] = change
        if rules.decomposed is None and "dora_scale" in found:
            result.unmatched.append(f"{name}.dora_scale")
    return result


def _by_layer(content: FileContent) -> dict[str, dict[str, Tensor]]:
    """A layer's name ends at the first dot."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in content.tensors.items():
        name, _, part = key.partition(".")
        layers.setdefault(name, {})[part] = tensor
    return layers
