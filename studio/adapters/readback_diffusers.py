"""How diffusers applies a LoRA file: names looked up from the live modules, peft's configuration."""

from __future__ import annotations

import json
from typing import Any

from studio.adapters.readback import FileContent, ReadBack, fits, live_layers, low_rank_change
from studio.bases.base_model import BaseModel


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file."""
    left = dict(content.tensors)
    configs = json.loads(content.metadata["lora_adapter_metadata"])
    result = ReadBack()
    for part, name, weight in live_layers(base):
        bare = name.removeprefix("text_model.")
        key = f"unet.{name}" if part == "unet" else f"text_encoder.text_model.{bare}"
        if f"{key}.lora_A.weight" not in left or f"{key}.lora_B.weight" not in left:
            continue
        down, up = left.pop(f"{key}.lora_A.weight"), left.pop(f"{key}.lora_B.weight")
        row_lengths = left.pop(f"{key}.lora_magnitude_vector.weight", None)
        config = {k.removeprefix(f"{part}."): v for k, v in configs.items() if k.startswith(part)}
        if not fits(up, down, weight):
            result.unmatched.append(f"{key} does not fit the layer")
        elif not _is_target(bare, config):
            result.unmatched.append(f"{key} is not among target_modules")
        else:
            factor = _factor(bare, config)
            lengths = row_lengths if config.get("use_dora") else None
            result.changes[f"{part}.{bare}"] = low_rank_change(up, down, factor, lengths)
    result.unmatched += sorted(left)
    return result


def _is_target(name: str, config: dict[str, Any]) -> bool:
    return any(name == t or name.endswith(f".{t}") for t in config["target_modules"])


def _factor(name: str, config: dict[str, Any]) -> float:
    rank = config["rank_pattern"].get(name, config["r"])
    alpha = config["alpha_pattern"].get(name, config["lora_alpha"])
    return float(alpha / rank)
