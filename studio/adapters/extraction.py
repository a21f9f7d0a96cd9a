"""A LoRA out of whole weights: of every layer's change, the best approximation of a low rank.

By Eckart and Young (1936) that is the change's singular value decomposition cut off after the largest
``rank`` values. What norms, biases and embeddings learned has no place in a LoRA and is lost, and counts
as lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.approximation import Approximation
from studio.adapters.readback import live_layers
from studio.adapters.whole_weights import named_parameters, require_fit
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

DEFAULT_RANK = 64
METHOD_SETTING = "extracted_rank"
# A linear layer of SDXL's second text encoder that no reader of LoRA files looks for.
_UNREADABLE = "text_projection"


def extraction_rank(adapter: Adapter) -> int:
    """The rank that the settings of whole weights ask for."""
    try:
        return int(json.loads(adapter.header.settings).get(METHOD_SETTING, DEFAULT_RANK))
    except (ValueError, TypeError, AttributeError):
        return DEFAULT_RANK


def extract(adapter: Adapter, base: BaseModel, rank: int) -> Approximation:
    """The LoRA of rank ``rank`` that is nearest to whole new weights.

    Raises:
        AdapterError: they were made for another base, or nothing of a layer changed.
    """
    require_fit(adapter.tensors, base)
    tensors: dict[str, Tensor] = {}
    kept: dict[str, float] = {}
    energy = 0.0
    for path, change in layer_changes(adapter, base):
        up, down, kept[path] = low_rank(change, rank)
        energy += kept[path] * _energy(change)
        tensors |= {f"{path}.lora_A.weight": down, f"{path}.lora_B.weight": up}
    if not tensors:
        raise AdapterError("no layer of the adapter differs from the base; there is no LoRA in it")
    share = energy / whole_energy(adapter, base)
    return Approximation(Adapter(_header(adapter, rank, share, kept), tensors), share, kept)


def layer_changes(adapter: Adapter, base: BaseModel) -> Iterator[tuple[str, Tensor]]:
    """What was learned by each linear and convolution layer that changed at all, fp32, by its path."""
    for part, name, weight in live_layers(base):
        path = f"{part}.{name.removeprefix('text_model.')}"
        trained = adapter.tensors.get(f"{path}.weight")
        if trained is None or name == _UNREADABLE:
            continue
        change = trained.to(weight.device) - weight.detach().float()
        if change.any():
            yield path, change


def whole_energy(adapter: Adapter, base: BaseModel) -> float:
    """The squared Frobenius norm of all that changed."""
    live = named_parameters(base)
    return sum(
        _energy(trained - live[name].detach().float().cpu())
        for name, trained in adapter.tensors.items()
    )


def low_rank(change: Tensor, rank: int) -> tuple[Tensor, Tensor, float]:
    """The product of two thin matrices that is nearest to a layer's change.

    Singular vectors come from the eigenvectors of the smaller of D D^T and D^T D in fp64: exact enough
    for the largest values, which are wanted, and much less work for a wide convolution.

    Args:
        change: (out, in) or (out, in, k, k).

    Returns:
        up (out, rank) or (out, rank, 1, 1), down (rank, in) or (rank, in, k, k), both fp32 on the CPU
        and of like lengths; and the share of the squared Frobenius norm that they keep.
    """
    flat = change.flatten(1).double()
    is_wide = flat.shape[0] <= flat.shape[1]
    matrix = flat if is_wide else flat.T
    rank = min(rank, len(matrix))
    vectors = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -rank:].flip(1)
    rest = vectors.T @ matrix  # (rank, longer side), rows as long as the singular values
    values = torch.linalg.vector_norm(rest, dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    left, right = vectors * values.sqrt(), rest / values.sqrt()[:, None]
    up, down = (left, right) if is_wide else (right.T, left.T)
    kernel = change.shape[2:]
    up = up.reshape(len(change), rank, *[1] * len(kernel))
    down = down.reshape(rank, change.shape[1], *kernel)
    share = min(1.0, values.square().sum().item() / flat.square().sum().item())
    return up.float().cpu().contiguous(), down.float().cpu().contiguous(), share


def _energy(change: Tensor) -> float:
    return change.square().sum(dtype=torch.float64).item()


def _header(adapter: Adapter, rank: int, share: float, kept: dict[str, float]) -> AdapterHeader:
    extracted = {
        "rank": rank,
        "kept_share": round(share, 6),
        "kept_by_layer": {path: round(value, 6) for path, value in kept.items()},
    }
    try:
        settings = json.loads(adapter.header.settings or "{}") | {"extracted": extracted}
    except (ValueError, TypeError):
        settings = {"extracted": extracted}
    return replace(adapter.header, kind="lora", settings=json.dumps(settings))
