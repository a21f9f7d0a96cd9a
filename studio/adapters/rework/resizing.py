"""A LoRA at a lower rank: every layer cut off after its largest singular values."""

from __future__ import annotations

from studio.adapters.adapter import Adapter
from studio.adapters.approximation import Approximation
from studio.adapters.layer_change import rank_of
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.lora_building import built, cut_layer, stated_settings
from studio.adapters.rework.low_rank import Truncation, decomposed, product_of
from studio.adapters.rework.nearest_lora import ADDING_KINDS, base_bound
from studio.errors import AdapterError


def resize(adapter: Adapter, truncation: Truncation) -> Approximation:
    """The LoRA that is nearest to ``adapter`` at a rank, or at each layer's fewest ranks that keep a
    share of its squared Frobenius norm.

    A layer whose rank is lower than asked for stays at it. The scale becomes 1: alpha is the layer's
    rank.

    Raises:
        AdapterError: it is no plain LoRA, or has no layer above the rank.
    """
    kind, bound = adapter.header.kind, base_bound(adapter)
    if bound:
        raise AdapterError(
            f"this is {bound}, whose change depends on the base model's weights; make a LoRA of it: "
            "studio adapter convert --to kohya --rank N --base MODEL"
        )
    if kind != "lora":
        hint = "; make a LoRA of it: studio adapter convert --to kohya --rank N"
        raise AdapterError(
            f"this is a {kind} adapter; only LoRAs can be resized{hint * (kind in ADDING_KINDS)}"
        )
    layers = layers_of(adapter)
    highest = max(rank_of(parts) for parts in layers.values())
    if truncation.keep is None and truncation.rank is not None and truncation.rank >= highest:
        raise AdapterError(f"its rank is {highest}; give a --rank below {highest}")
    return built(
        adapter.header,
        (
            cut_layer(path, decomposed(product_of(path, parts)), truncation)
            for path, parts in layers.items()
        ),
        ("resized", {**vars(truncation), "trained": stated_settings(adapter.header)}),
    )
