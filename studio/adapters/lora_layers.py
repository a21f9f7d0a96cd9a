"""A low-rank adapter's tensors layer by layer: what its file formats share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.adapters.layer_change import (
    ALPHA,
    BLOCKS,
    MAGNITUDE,
    ROTATIONS,
    VARIANT_PARTS,
    Parts,
    changed_weight,
    rank_of,
    scale_of,
    variant_of,
)
from studio.errors import AdapterError

TEXT_WIDTHS = {1024: "sd2", 1280: "sdxl_refiner", 2048: "sdxl"}
SECOND_BLOCK = ".transformer_blocks.1."
"""SD 1.x and 2.x have one such block an attention, SDXL and its refiner two and more."""
TEMPORAL = ".temporal_transformer_blocks."
"""Stable Video Diffusion alone has these."""
Layers = Mapping[str, Parts]
"""Each layer's tensors by its neutral path."""

_INPUT_SIDE = ("lora_A.weight", "hada_w1_b")  # (rank, in): what tells the width of a layer's input
_ALL_PARTS = sorted({part for parts in VARIANT_PARTS.values() for part in parts}, key=len)[::-1]


def parts_by_path(tensors: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Split neutral names into the layer's path and what the tensor is to it; paths in order.

    Raises:
        AdapterError: a name is of no low-rank adapter.
    """
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name in sorted(tensors):
        part = next((p for p in _ALL_PARTS if name.endswith(f".{p}")), None)
        if part is None:
            raise AdapterError(f"{name!r} is no tensor of a LoRA; the file is of another kind")
        layers.setdefault(name.removesuffix(f".{part}"), {})[part] = tensors[name]
    return layers


def layers_of(adapter: Adapter) -> dict[str, dict[str, torch.Tensor]]:
    """The layers by neutral path, sorted.

    Raises:
        AdapterError: there is none, a matrix lacks its partner, or a value is not finite.
    """
    broken = next((k for k, t in adapter.tensors.items() if not torch.isfinite(t).all()), None)
    if broken:
        raise AdapterError(
            f"the adapter has values that are not finite in {broken}: training diverged; "
            "lower the learning rate"
        )
    layers = parts_by_path(adapter.tensors)
    if not layers:
        raise AdapterError("the adapter has no layers")
    for path, parts in layers.items():
        require_whole(path, parts)
    return layers


def require_whole(path: str, parts: Parts) -> None:
    """Refuse a layer that lacks a tensor, or has two that cannot be multiplied.

    Raises:
        AdapterError: so it is.
    """
    variant = variant_of(parts)
    pairs = {
        "lora": [("lora_B.weight", "lora_A.weight")],
        "loha": [("hada_w1_a", "hada_w1_b"), ("hada_w2_a", "hada_w2_b")],
        "lokr": [(f"lokr_w{n}_a", f"lokr_w{n}_b") for n in (1, 2) if f"lokr_w{n}" not in parts],
    }.get(variant, [])
    for left, right in pairs:
        if not _are_a_pair(parts.get(left), parts.get(right)):
            raise AdapterError(f"its layer {path!r} lacks a {left} that fits its {right}")
    if BLOCKS in parts and not _are_squares(parts[BLOCKS]):
        raise AdapterError(f"its layer {path!r} has {BLOCKS} that are no squares")
    if ALPHA in parts and parts[ALPHA].numel() != 1:
        raise AdapterError(f"its layer {path!r} has an alpha of {parts[ALPHA].numel()} numbers")


def is_spatial(parts: Parts) -> bool:
    """Whether the layer is a convolution of more than single pixels, as far as its tensors tell."""
    return any(tensor.dim() == 4 and tensor.shape[-1] > 1 for tensor in parts.values())


def stated_alpha(parts: Parts) -> float:
    """The alpha that states the layer's scale as alpha / rank."""
    return scale_of(parts) * rank_of(parts)


def trained_changes(adapter: Adapter) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """What the adapter in memory does to each layer's weight, by neutral path."""
    return {path: _change(parts) for path, parts in layers_of(adapter).items()}


def adapter_of(layers: Layers, metadata: Mapping[str, str]) -> Adapter:
    """The adapter in neutral form, fp32, from a file's layers and what its metadata say.

    Raises:
        AdapterError: there are no layers, they are of several variants, or the metadata are broken.
    """
    variant = variant_of_all(layers)
    if (
        metadata.get("studio.kind") == "lora"
    ):  # said of all variants where words are bundled with them
        metadata = {**metadata, "studio.kind": variant}
    header = from_metadata(metadata, variant)
    header = replace(
        header,
        settings=header.settings or _settings(layers),
        family=header.family or family_of(layers),
    )
    return Adapter(
        header,
        {
            f"{path}.{name}": (tensor.flatten() if name == MAGNITUDE else tensor).float()
            for path, parts in layers.items()
            for name, tensor in (dict(parts) | {ALPHA: _alpha(parts)}).items()
            if name != ALPHA or variant not in ROTATIONS
        },
    )


def variant_of_all(layers: Layers) -> str:
    """The one variant of all layers.

    Raises:
        AdapterError: there are several, or no layers.
    """
    variants = sorted({variant_of(parts) for parts in layers.values()})
    if len(variants) != 1:
        raise AdapterError(
            f"its layers are of several variants: {' and '.join(variants) or 'none'}"
        )
    return variants[0]


def family_of(layers: Layers) -> str:
    """By layers that a family alone has, then by the width of the text that cross-attention reads.

    Every other width has SD 1.x's layers.
    """
    if any(TEMPORAL in path for path in layers):
        return "svd"
    widths = (
        parts[name].shape[1]
        for path, parts in layers.items()
        if path.endswith("attn2.to_k")
        for name in _INPUT_SIDE
        if name in parts
    )
    width = next(widths, 0)
    is_large = any(path.startswith("text_encoder_2.") or SECOND_BLOCK in path for path in layers)
    if is_large and TEXT_WIDTHS.get(width) != "sdxl_refiner":
        return "sdxl"
    return TEXT_WIDTHS.get(width, "sd1")


def _change(parts: Parts) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(weight: torch.Tensor) -> torch.Tensor:
        original = weight.detach().float().cpu()
        return changed_weight(original, parts) - original

    return change


def _are_a_pair(left: torch.Tensor | None, right: torch.Tensor | None) -> bool:
    if left is None or right is None or not left.dim() == right.dim() >= 2:
        return False
    return left.shape[1] == right.shape[0] > 0


def _are_squares(blocks: torch.Tensor) -> bool:
    return blocks.dim() == 3 and blocks.shape[1] == blocks.shape[2] > 0


def _alpha(parts: Parts) -> torch.Tensor:
    """As stated, bit for bit, or else the one that means the layer's scale."""
    has_own = ALPHA in parts and scale_of(parts) == float(parts[ALPHA]) / rank_of(parts)
    return parts[ALPHA].reshape(1) if has_own else torch.tensor([stated_alpha(parts)])


def _settings(layers: Layers) -> str:
    """The settings that a file without any must have had; ranks that differ are in its tensors."""
    largest = max(layers.values(), key=rank_of)
    variant, alpha = variant_of_all(layers), stated_alpha(largest)
    stated = {
        "kind": "lora",
        "variant": variant,
        "rank": rank_of(largest),
        "use_dora": any(MAGNITUDE in parts for parts in layers.values()),
    }
    return json.dumps(stated | ({"alpha": alpha} if alpha > 0 and variant not in ROTATIONS else {}))
