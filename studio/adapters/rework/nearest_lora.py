"""Adapters of other kinds as plain LoRAs, for tools that read those kinds otherwise or not at all.

No LoRA does exactly the same; the nearest one of a rank is what the largest singular values of each
layer's change make up. What a LoHa or a LoKr adds is in its file. What a DoRA or an OFT changes depends on
the weights that it is put on: the base is read for it, a layer at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.approximation import Approximation
from studio.adapters.files import check_fits
from studio.adapters.layer_change import MAGNITUDE, ROTATIONS, Parts, changed_weight
from studio.adapters.layer_shapes import whole_change
from studio.adapters.lora_layers import Layers, layers_of
from studio.adapters.rework.lora_building import BuiltLayer, built, cut_layer, stated_settings
from studio.adapters.rework.low_rank import Truncation, decomposed_whole
from studio.adapters.rework.steps import Step, Ticks, unseen
from studio.adapters.rework.weight_files import WeightFiles, opened
from studio.errors import AdapterError

ADDING_KINDS = ("loha", "lokr")
"""Kinds that add the same to any base, but no product of two thin matrices."""


def base_bound(adapter: Adapter) -> str:
    """``a DoRA`` or ``an OFT``, whose change depends on the base's weights; empty for all others."""
    if adapter.header.kind in ROTATIONS:
        return "an OFT"
    has_lengths = any(name.endswith(f".{MAGNITUDE}") for name in adapter.tensors)
    return "a DoRA" if has_lengths and adapter.header.kind == "lora" else ""


def nearest_lora(
    adapter: Adapter, rank: int, base: WeightFiles | None = None, step: Step = unseen
) -> Approximation:
    """The LoRA of a rank that is nearest to a LoHa or LoKr, or on a base to a DoRA or OFT.

    Args:
        base: needed for the latter two.

    Raises:
        AdapterError: it is of another kind, its base is not given, or it does not fit the base.
    """
    header, bound, truncation = adapter.header, base_bound(adapter), Truncation(rank)
    stated: dict[str, Any] = {"kind": "dora" if bound == "a DoRA" else header.kind, "rank": rank}
    if bound:
        if base is None:
            raise AdapterError(
                f"this is {bound}, whose change depends on the base model's weights; name the base "
                "with --base"
            )
        check_fits(adapter, base)
        stated |= {"base": base.name, "base_digest": base.digest}
        layers = layers_of(adapter)
        changes = _on_base(layers, base)
    elif header.kind in ADDING_KINDS:
        layers = layers_of(adapter)
        changes = ((path, whole_change(path, p, header.family)) for path, p in layers.items())
    else:
        raise AdapterError(
            f"this adapter is of kind {header.kind}; --rank makes a LoRA of a LoHa, LoKr, DoRA or OFT "
            "(to change a LoRA's rank: studio adapter resize)"
        )
    origin = ("approximated", {**stated, "trained": stated_settings(header)})
    return built(header, _cut(changes, truncation, Ticks(step, len(layers))), origin)


def _cut(
    changes: Iterator[tuple[str, Tensor]], truncation: Truncation, ticks: Ticks
) -> Iterator[BuiltLayer]:
    for path, change in changes:
        yield cut_layer(path, decomposed_whole(change, truncation.rank), truncation)
        ticks()


def _on_base(layers: Layers, base: WeightFiles) -> Iterator[tuple[str, Tensor]]:
    """What is changed, with the dimensions of the base's weights, fp32."""
    base.require_layers("the adapter", layers)
    with opened(base) as reader:
        for path, parts in layers.items():
            yield path, _change(path, reader.read(f"{path}.weight").float(), parts)


def _change(path: str, weight: Tensor, parts: Parts) -> Tensor:
    change = changed_weight(weight, parts) - weight
    if not torch.isfinite(change).all():
        raise AdapterError(
            f"{path} would change by values that are not finite; the adapter or the base is broken"
        )
    return change
