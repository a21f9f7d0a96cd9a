"""How peft applies an OFT, LoHa or LoKr file: each live layer's tensors, and the configuration for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import Change, FileContent, ReadBack, live_layers
from studio.adapters.tools.arithmetic import LYCORIS, change_of
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel

_NAMES = (
    "oft_R.weight",
    *(f"hada_w{n}_{end}" for n in (1, 2) for end in "ab"),
    *(f"lokr_w{n}{end}" for n in (1, 2) for end in ("", "_a", "_b")),
)


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare every layer's change with the adapter's."""
    return measure_changes(path, read_back, trained_changes(adapter), base)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file, and what its configuration says."""
    left = dict(content.tensors)
    configs = {
        f"{config['part']}.{module}": config
        for config in json.loads(content.metadata.get("peft_configs", "[]"))
        for module in config["target_modules"]
    }
    result = ReadBack()
    for part, name, weight in live_layers(base):
        key = f"{part}.{name}"
        names = [own for own in _NAMES if f"{key}.{own}" in left]
        found = {own: left.pop(f"{key}.{own}") for own in names}
        if not found:
            continue
        change = _change(found, configs.get(key, {}), weight)
        if change is None:
            result.unmatched.append(f"{key} does not fit the layer")
        else:
            result.changes[f"{part}.{name.removeprefix('text_model.')}"] = change
    result.unmatched += sorted(left)
    return result


def _change(
    found: dict[str, torch.Tensor], config: Mapping[str, Any], weight: torch.Tensor
) -> Change | None:
    if "oft_R.weight" in found:
        return _turning(found["oft_R.weight"], config.get("oft_block_size", 0), weight)
    if "alpha" not in config:
        return None
    # peft scales by its configuration, whatever stands in the file's names.
    factor = torch.tensor(config["alpha"] / config["r"])
    change = change_of(found, weight, LYCORIS)
    return None if change is None else (lambda live: factor * change(live))


def _turning(numbers: torch.Tensor, size: int, weight: torch.Tensor) -> Change | None:
    width = weight.flatten(1).shape[1]
    if numbers.dim() != 2 or numbers.shape[0] * size != width:
        return None
    rotations = [_rotation(row, size) for row in numbers.float()]
    whole: torch.Tensor = torch.block_diag(*rotations)  # type: ignore[no-untyped-call]

    def change(live: torch.Tensor) -> torch.Tensor:
        before = live.detach().float().cpu().flatten(1)
        return (before @ whole.T - before).reshape(live.shape)

    return change


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
