"""Which layers of an adapter are dead or exploded, and how large its change is block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from studio.adapters.inspection.groups import NETWORK, WEIGHT, WORD
from studio.adapters.inspection.layers import Layer

EXPLODED_TIMES = 20.0
"""A layer whose norm is so many times the median of its peers' has exploded."""
MIN_PEERS = 4
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class Block:
    """The layers in one block of the base: how many, and the norm of their changes together."""

    name: str
    num_layers: int
    norm: float

    def to_json(self) -> dict[str, Any]:
        return {"block": self.name, "layers": self.num_layers, "norm": self.norm}


def judged(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, with those told that are silent on purpose and those far larger than their peers."""
    trained = {_attention(layer) for layer in layers if not layer.is_blank}
    usual = _usual_norms(layers)
    return [_judged(layer, trained, next(usual)) for layer in layers]


def blocks_of(layers: Iterable[Layer]) -> list[Block]:
    """The blocks in the order of the layers; layers without a finite norm count, but add nothing."""
    by_block: dict[str, list[float]] = {}
    for layer in layers:
        by_block.setdefault(layer.block, []).append(layer.norm)
    return [
        Block(name, len(norms), math.hypot(*(norm for norm in norms if math.isfinite(norm))))
        for name, norms in by_block.items()
    ]


def _judged(layer: Layer, trained: set[str], usual: float) -> Layer:
    if layer.state == "dead" and layer.is_blank and _attention(layer) in trained - {""}:
        return replace(layer, state="silent", why="zeros beside its trained siblings")
    if layer.state == "" and 0 < usual * EXPLODED_TIMES < layer.norm:
        times = f"{layer.norm / usual:,.0f} times the median of layers like it"
        return replace(layer, state="exploded", why=f"its norm {layer.norm:.3g} is {times}")
    return layer


def _attention(layer: Layer) -> str:
    """The text encoder's attention that a layer is of: files have all four of it, trained or not."""
    attention, _, name = layer.path.rpartition(".")
    return attention if layer.part.startswith("text_encoder") and name in ATTENTION else ""


def _usual_norms(layers: Sequence[Layer]) -> Iterator[float]:
    """For each layer the median norm of its peers: those of its part and size, else its block's, else
    all; 0 where there are too few to tell.
    """
    ways: list[Callable[[Layer], Hashable]] = [
        lambda layer: (layer.part, layer.size),
        lambda layer: layer.block,
        lambda layer: layer.variant,
    ]
    medians = [_medians(layers, way) for way in ways]
    for layer in layers:
        if layer.variant in (WORD, NETWORK, WEIGHT):
            yield 0.0
        else:
            found = (table.get(way(layer)) for way, table in zip(ways, medians, strict=True))
            yield next((usual for usual in found if usual is not None), 0.0)


def _medians(layers: Sequence[Layer], way: Callable[[Layer], Hashable]) -> dict[Hashable, float]:
    norms: dict[Hashable, list[float]] = {}
    for layer in layers:
        if math.isfinite(layer.norm) and layer.norm > 0:
            norms.setdefault(way(layer), []).append(layer.norm)
    return {peers: median(found) for peers, found in norms.items() if len(found) >= MIN_PEERS}
