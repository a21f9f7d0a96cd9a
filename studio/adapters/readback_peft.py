"""How peft applies an OFT file: whole block-diagonal rotations of each live layer's input."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import Change, FileContent, ReadBack, live_layers
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare every layer's change with the adapter's."""
    return measure_changes(path, read_back, trained_changes(adapter), base)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file, and its block size in the configuration."""
    left = dict(content.tensors)
    sizes = {
        f"{config['part']}.{module}": config["oft_block_size"]
        for config in json.loads(content.metadata.get("peft_configs", "[]"))
        for module in config["target_modules"]
    }
    result = ReadBack()
    for part, name, weight in live_layers(base):
        key = f"{part}.{name}"
        numbers = left.pop(f"{key}.oft_R.weight", None)
        if numbers is None:
            continue
        size = sizes.get(key, 0)
        width = weight.flatten(1).shape[1]
        if numbers.dim() != 2 or numbers.shape[0] * size != width:
            result.unmatched.append(f"{key} does not fit the layer")
        else:
            rotations = [_rotation(row, size) for row in numbers.float()]
            path = f"{part}.{name.removeprefix('text_model.')}"
            result.changes[path] = _turning(torch.block_diag(*rotations))  # type: ignore[no-untyped-call]
    result.unmatched += sorted(left)
    return result


def _rotation(numbers: torch.Tensor, size: int) -> torch.Tensor:
    """(I - Q) (I + Q)^-1, where Q is skew-symmetric with these numbers above the diagonal, row by row."""
    skew = torch.zeros(size, size)
    place = 0
    for row in range(size - 1):
        count = size - 1 - row
        skew[row, row + 1 :] = numbers[place : place + count]
        place += count
    skew = skew - skew.T
    one = torch.eye(size)
    return torch.mm(one - skew, torch.linalg.inv(one + skew))


def _turning(rotation: torch.Tensor) -> Change:
    def change(weight: torch.Tensor) -> torch.Tensor:
        before = weight.detach().float().cpu().flatten(1)
        return (before @ rotation.T - before).reshape(weight.shape)

    return change
