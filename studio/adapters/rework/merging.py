"""Several adapters added up into one LoRA, each by its weight.

LoRAs are added exactly: their ranks stand side by side in one of the summed rank. With a rank asked for,
the sum is cut off to it by its singular values. LoHas and LoKrs are no product of two thin matrices, so
they are only approximated. What a DoRA or an OFT adds depends on the base; those go into a base alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.approximation import Approximation
from studio.adapters.layer_change import Parts
from studio.adapters.layer_shapes import whole_change
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.lora_building import BuiltLayer, built, cut_layer
from studio.adapters.rework.low_rank import (
    Product,
    Truncation,
    concatenated,
    decomposed,
    decomposed_whole,
    product_of,
)
from studio.adapters.rework.nearest_lora import base_bound
from studio.errors import AdapterError

ADDED_KINDS = ("lora", "loha", "lokr")


@dataclass(frozen=True)
class Ingredient:
    """One of the adapters to be merged.

    Attributes:
        weight: what its change is multiplied by; negative takes it away.
        digest: SHA-256 of its file, to be named in the result; empty where it has none.
        file: what its file is called, for messages; empty: it goes by its title.

    Raises:
        AdapterError: the weight is 0 or no number.
    """

    adapter: Adapter
    weight: float = 1.0
    digest: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise AdapterError(
                f"{self.name} has the weight {self.weight:g}; give another number, "
                "or leave the adapter out"
            )

    @property
    def name(self) -> str:
        """What to call it in a message."""
        header = self.adapter.header
        named = repr(header.title) if header.title else f"an untitled {header.kind}"
        return self.file or named

    def origin(self) -> dict[str, Any]:
        """What a merged file says of it."""
        header = self.adapter.header
        return {
            "title": header.title,
            "weight": self.weight,
            "kind": header.kind,
            "steps": header.steps,
            "digest": self.digest,
        }


def merge(
    ingredients: Sequence[Ingredient], *, rank: int | None = None, title: str = ""
) -> Approximation:
    """One LoRA that changes every weight by the weighted sum of what the adapters add to it.

    A layer that only some of them have is kept as those have it.

    Args:
        rank: of the result; None adds LoRAs up exactly, at their summed rank.
        title: of the result; empty: those of the adapters.

    Raises:
        AdapterError: none is given, they are of several families or of kinds that cannot be added,
            or their layers differ in shape.
    """
    if not ingredients:
        raise AdapterError("there is nothing to merge; give two adapters or more")
    truncation = Truncation(rank) if rank is not None else None
    require_one_family(ingredients)
    layers = [
        _required_layers(ingredient, exactly=truncation is None) for ingredient in ingredients
    ]
    paths = sorted(set().union(*layers))
    members = (
        (path, [(i, own[path]) for i, own in zip(ingredients, layers, strict=True) if path in own])
        for path in paths
    )
    origin = {"from": [ingredient.origin() for ingredient in ingredients], "rank": rank}
    return built(
        _header([i.adapter.header for i in ingredients], title),
        _merged_layers(members, truncation),
        ("merged", origin),
    )


def require_one_family(ingredients: Sequence[Ingredient]) -> str:
    """The family of all.

    Raises:
        AdapterError: there are several; both are named.
    """
    first = ingredients[0]
    family = first.adapter.header.family
    for other in ingredients:
        if other.adapter.header.family != family:
            raise AdapterError(
                f"{first.name} is of family {family} and {other.name} of family "
                f"{other.adapter.header.family}; merge adapters of one family"
            )
    return family


def _required_layers(ingredient: Ingredient, *, exactly: bool) -> dict[str, dict[str, Tensor]]:
    kind, bound = ingredient.adapter.header.kind, base_bound(ingredient.adapter)
    if bound:
        raise AdapterError(
            f"{ingredient.name} is {bound}, whose change depends on the base model's weights; merge it "
            "into a base with --into, or make a LoRA of it: studio adapter convert --rank N --base MODEL"
        )
    if kind not in ADDED_KINDS:
        raise AdapterError(
            f"{ingredient.name} is of kind {kind}, which cannot be merged; "
            f"give adapters of kind {', '.join(ADDED_KINDS)}"
        )
    if exactly and kind != "lora":
        raise AdapterError(
            f"{ingredient.name} is a {kind}, which no LoRA equals exactly; give --rank for the "
            "nearest LoRA of that rank"
        )
    return layers_of(ingredient.adapter)


_Members = list[tuple[Ingredient, dict[str, Tensor]]]


def _merged_layers(
    members: Iterator[tuple[str, _Members]], truncation: Truncation | None
) -> Iterator[BuiltLayer]:
    for path, own in members:
        try:
            yield _merged_layer(path, own, truncation)
        except (AdapterError, RuntimeError) as error:
            names = " and ".join(ingredient.name for ingredient, _ in own)
            raise AdapterError(f"{path} of {names} cannot be merged: {error}") from error


def _merged_layer(path: str, own: _Members, truncation: Truncation | None) -> BuiltLayer:
    if any("lora_A.weight" not in parts for _, parts in own):
        assert truncation is not None  # without one they have been refused
        return cut_layer(path, decomposed_whole(_sum(path, own), truncation.rank), truncation)
    total = concatenated([_weighted(path, *member) for member in own])
    if truncation is None:
        return BuiltLayer(path, total, kept=1.0, energy=total.energy)
    return cut_layer(path, decomposed(total), truncation)


def _weighted(path: str, ingredient: Ingredient, parts: Parts) -> Product:
    product = product_of(path, parts)
    return replace(product, scale=ingredient.weight * product.scale)


def _sum(path: str, own: _Members) -> Tensor:
    """The sum of one layer's changes, with the dimensions of the layer's weight."""
    changes = [
        member.weight * whole_change(path, parts, member.adapter.header.family)
        for member, parts in own
    ]
    return torch.stack(changes).sum(0)


def _header(headers: Sequence[AdapterHeader], title: str) -> AdapterHeader:
    """What holds of all of them. No training stands behind the sum, so it has no steps and no seed;
    those of its adapters are in the settings.
    """

    def common(field: Callable[[AdapterHeader], str]) -> str:
        values = {field(header) for header in headers}
        return values.pop() if len(values) == 1 else ""

    triggers = dict.fromkeys(header.trigger for header in headers if header.trigger)
    return AdapterHeader(
        kind="lora",
        family=headers[0].family,
        base_name=common(lambda h: h.base_name),
        base_digest=common(lambda h: h.base_digest),
        settings="",
        trigger=", ".join(triggers),
        title=title or " + ".join(header.title or header.kind for header in headers),
        resolution_px=max(header.resolution_px for header in headers),
        num_pictures=sum(header.num_pictures for header in headers),
    )
