"""How kohya's readers apply a LoRA file: names looked up from the live modules, alpha / rank.

LoHa and LoKr as LyCORIS documents them. SDXL's U-Net is looked up by the names that ComfyUI derives
from its configuration: sgm's blocks, counted along the way down and up.
"""

from __future__ import annotations

from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import (
    Change,
    FileContent,
    ReadBack,
    fits,
    live_layers,
    low_rank_change,
)
from studio.adapters.readback_sgm import sgm_layer_names
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel

Tensors = dict[str, torch.Tensor]


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare every layer's change with the adapter's."""
    return measure_changes(path, read_back, trained_changes(adapter), base)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file."""
    left = dict(content.tensors)
    sgm = sgm_layer_names(base.unet) if base.family == "sdxl" else {}
    result = ReadBack()
    for part, name, weight in live_layers(base):
        key = _key(part, name, base.family, sgm)
        found = {k.removeprefix(f"{key}."): t for k, t in left.items() if k.startswith(f"{key}.")}
        if not found:
            continue
        for part_name in found:
            del left[f"{key}.{part_name}"]
        change = _change(found, weight)
        if change is None:
            result.unmatched.append(f"{key} does not fit the layer")
        else:
            result.changes[f"{part}.{name.removeprefix('text_model.')}"] = change
    result.unmatched += sorted(left)
    return result


def _key(part: str, name: str, family: str, sgm: dict[str, str]) -> str:
    if part == "unet":
        return "lora_unet_" + sgm.get(name, name).replace(".", "_")
    number = {"text_encoder": "1", "text_encoder_2": "2"}[part] if family == "sdxl" else ""
    return f"lora_te{number}_text_model_" + name.removeprefix("text_model.").replace(".", "_")


def _change(found: Tensors, weight: torch.Tensor) -> Change | None:
    """By the tensors' own names; None where they make up no change of this weight."""
    names = set(found) - {"alpha"}
    if names - {"dora_scale"} == {"lora_down.weight", "lora_up.weight"}:
        down, up = found["lora_down.weight"], found["lora_up.weight"]
        if not fits(up, down, weight):
            return None
        return low_rank_change(up, down, _factor(found, down.shape[0]), found.get("dora_scale"))
    if names == {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}:
        factor = _factor(found, found["hada_w1_b"].shape[0])
        return _constant(factor * _product(found, "hada_w1") * _product(found, "hada_w2"), weight)
    if any(name.startswith("lokr_") for name in names):
        inner = next((found[n] for n in ("lokr_w2_b", "lokr_w1_b") if n in found), None)
        factor = 1.0 if inner is None else _factor(found, inner.shape[0])
        left, right = _product(found, "lokr_w1"), _product(found, "lokr_w2")
        return _constant(factor * _kronecker(left, right), weight)
    return None


def _factor(found: Tensors, rank: int) -> float:
    return found["alpha"].item() / rank if "alpha" in found else 1.0


def _product(found: Tensors, name: str) -> torch.Tensor:
    whole = found.get(name)
    if whole is not None:
        return whole.float().flatten(1) if whole.dim() == 2 else whole.float()
    return torch.mm(found[f"{name}_a"].float(), found[f"{name}_b"].float())


def _kronecker(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Entry [a c, b d] is left[a, b] * right[c, d]; what follows d is the kernel."""
    blocks = torch.einsum(
        "ab,cdk->acbdk", left, right.flatten(2) if right.dim() > 2 else right[..., None]
    )
    rows, columns = left.shape[0] * right.shape[0], left.shape[1] * right.shape[1]
    return blocks.reshape(rows, columns * blocks.shape[-1])


def _constant(delta: torch.Tensor, weight: torch.Tensor) -> Change | None:
    """A change that does not depend on the weight, in its shape."""
    if delta.numel() != weight.numel() or delta.shape[0] != weight.shape[0]:
        return None
    shaped = delta.reshape(weight.shape)
    return lambda _: shaped
