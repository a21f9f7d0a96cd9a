"""An extracted LoRA held against the best that its rank allows, which is not the whole change."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.extraction import extraction_rank, layer_changes, whole_energy
from studio.adapters.measurement import Measurement, relative
from studio.adapters.readback import live_layers, load_content
from studio.adapters.readback_kohya import read_back
from studio.adapters.weight_changes import FLOOR, coarsest
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """For each layer, how much farther the file is from the trained change than it has to be.

    Raises:
        VerificationError: it is not a whole safetensors file of floating point numbers.
    """
    content = load_content(path)
    found = read_back(content, base)
    trained = dict(layer_changes(adapter, base))
    weights = {
        f"{part}.{name.removeprefix('text_model.')}": w for part, name, w in live_layers(base)
    }
    rank = extraction_rank(adapter)
    excess: dict[str, tuple[float, float]] = {}
    kept = 0.0
    for layer, change in found.changes.items():
        wanted = trained.get(layer, torch.zeros_like(weights[layer], dtype=torch.float32)).cpu()
        got = change(weights[layer]).cpu()
        length, error = _length(wanted), _length(wanted - got)
        excess[layer] = abs(error - _least_error(wanted, rank)), length
        kept += length**2 - error**2
    largest = max((length for _, length in excess.values()), default=0.0)
    return Measurement(
        differences={
            layer: relative(difference, max(length, FLOOR * largest))
            for layer, (difference, length) in excess.items()
        },
        missing=tuple(sorted(trained.keys() - found.changes)),
        unmatched=tuple(found.unmatched),
        tensors=len(content.tensors),
        dtype=coarsest(content),
        kept_share=kept / whole_energy(adapter, base),
    )


def _least_error(change: Tensor, rank: int) -> float:
    """The distance to the nearest matrix of a rank: the length of the singular values after it."""
    return _length(torch.linalg.svdvals(change.flatten(1).double())[rank:])


def _length(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.double()))
