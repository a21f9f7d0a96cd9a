"""How kohya's readers apply a LoRA file: names looked up from the live modules, alpha / rank."""

from __future__ import annotations

import torch

from studio.adapters.readback import FileContent, ReadBack, fits, live_layers, low_rank_change
from studio.bases.base_model import BaseModel


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file."""
    left = dict(content.tensors)
    result = ReadBack()
    for part, name, weight in live_layers(base):
        looked_up = "lora_unet_" if part == "unet" else "lora_te_text_model_"
        key = looked_up + name.removeprefix("text_model.").replace(".", "_")
        if f"{key}.lora_down.weight" not in left or f"{key}.lora_up.weight" not in left:
            continue
        down, up = left.pop(f"{key}.lora_down.weight"), left.pop(f"{key}.lora_up.weight")
        alpha = left.pop(f"{key}.alpha", torch.tensor(float(len(down))))
        row_lengths = left.pop(f"{key}.dora_scale", None)
        if not fits(up, down, weight):
            result.unmatched.append(f"{key} does not fit the layer")
            continue
        path = f"{part}.{name.removeprefix('text_model.')}"
        factor = alpha.item() / len(down)
        result.changes[path] = low_rank_change(up, down, factor, row_lengths)
    result.unmatched += sorted(left)
    return result
