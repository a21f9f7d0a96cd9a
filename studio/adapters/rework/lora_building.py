"""New LoRAs out of products: what merging, resizing and extraction share.

Every layer's alpha is its own rank, so its scale is 1: strength 1 does what the original did, and layers
of different ranks need no common alpha.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.approximation import Approximation
from studio.adapters.rework.low_rank import Decomposition, Product, Truncation
from studio.errors import AdapterError


@dataclass(frozen=True)
class BuiltLayer:
    """A layer of a new LoRA, how much of the change it stands for it holds, and how large that was.

    Attributes:
        product: of scale 1.
        kept: share of ``energy``.
        energy: squared Frobenius norm of the whole change.
    """

    path: str
    product: Product
    kept: float
    energy: float


def cut_layer(path: str, change: Decomposition, truncation: Truncation) -> BuiltLayer:
    """A layer cut off where ``truncation`` says."""
    rank = change.rank_for(truncation)
    return BuiltLayer(path, change.cut(rank), change.kept(rank), change.energy)


def built(
    header: AdapterHeader,
    layers: Iterable[BuiltLayer],
    origin: tuple[str, Mapping[str, Any]],
    lost_energy: float = 0.0,
) -> Approximation:
    """A LoRA of these layers, with what it was made from in its settings.

    Args:
        header: of the new LoRA but for kind and settings.
        origin: the settings' entry that says how it was made, and its content.
        lost_energy: of changes that have no layer.

    Raises:
        AdapterError: there are no layers.
    """
    tensors: dict[str, Tensor] = {}
    kept: dict[str, float] = {}
    whole, held = lost_energy, 0.0
    for layer in layers:
        tensors |= _tensors(layer)
        kept[layer.path] = layer.kept
        whole, held = whole + layer.energy, held + layer.kept * layer.energy
    if not kept:
        raise AdapterError("no layer changes anything; there is no LoRA in it")
    share = held / whole if whole else 1.0
    name, content = origin
    rank = max(len(t) for n, t in tensors.items() if n.endswith(".lora_A.weight"))
    settings = {
        "kind": "lora",
        "variant": "lora",
        "rank": rank,
        "alpha": rank,
        "use_dora": False,
        name: {**content, "kept_share": round(share, 6)},
    }
    new = replace(header, kind="lora", settings=json.dumps(settings))
    return Approximation(Adapter(new, tensors), share, kept)


def stated_settings(header: AdapterHeader) -> Any:
    """What a header says of its training, to be handed on; empty where it says nothing readable."""
    try:
        return json.loads(header.settings or "{}")
    except ValueError:
        return {}


def _tensors(layer: BuiltLayer) -> dict[str, Tensor]:
    down, up = layer.product.down, layer.product.up
    return {
        f"{layer.path}.lora_A.weight": down.contiguous(),
        f"{layer.path}.lora_B.weight": up.contiguous(),
        f"{layer.path}.alpha": torch.tensor([float(len(down))]),
    }
