"""How diffusers applies a LoRA file: names looked up from the live modules, peft's configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import FileContent, ReadBack, fits, live_layers, low_rank_change
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare every layer's change with the adapter's."""
    return measure_changes(path, read_back, trained_changes(adapter), base)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file."""
    left = dict(content.tensors)
    configs = json.loads(content.metadata.get("lora_adapter_metadata", "{}"))
    result = ReadBack()
    for part, name, weight in live_layers(base):
        bare = name.removeprefix("text_model.")
        key = f"unet.{name}" if part == "unet" else f"{part}.text_model.{bare}"
        if f"{key}.lora_A.weight" not in left or f"{key}.lora_B.weight" not in left:
            continue
        down, up = left.pop(f"{key}.lora_A.weight"), left.pop(f"{key}.lora_B.weight")
        row_lengths = left.pop(f"{key}.lora_magnitude_vector.weight", None)
        start = f"{part}."
        config = {k.removeprefix(start): v for k, v in configs.items() if k.startswith(start)}
        if not fits(up, down, weight):
            result.unmatched.append(f"{key} does not fit the layer")
        elif not _is_target(bare, config):
            result.unmatched.append(f"{key} is not among target_modules")
        elif config.get("rank_pattern", {}).get(bare, config.get("r", len(down))) != len(down):
            result.unmatched.append(f"{key} has another rank than the configuration says")
        else:
            factor = _factor(bare, config, len(down))
            lengths = row_lengths if config.get("use_dora", True) else None
            result.changes[f"{part}.{bare}"] = low_rank_change(up, down, factor, lengths)
    result.unmatched += sorted(left)
    return result


def _is_target(name: str, config: dict[str, Any]) -> bool:
    """As peft decides: whole path or its end; a text is a pattern; without any, all are."""
    targets = config.get("target_modules", [name])
    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _factor(name: str, config: dict[str, Any], rank: int) -> float:
    """Alpha / rank by the configuration's own figures; 1 where there is none."""
    alpha = config.get("alpha_pattern", {}).get(name, config.get("lora_alpha", rank))
    return float(alpha / (rank**0.5 if config.get("use_rslora") else rank))
