"""Each layer of an adapter measured: rank, alpha, the size of its change, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from studio.adapters.inspection.content import AdapterContent, Fetch
from studio.adapters.inspection.facts import json_table
from studio.adapters.inspection.groups import NETWORK, WEIGHT, WORD, Group
from studio.adapters.inspection.names import ALPHA, MAGNITUDE, rank_of, size_of

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_KEY, PEFT_KEY = "lora_adapter_metadata", "peft_configs"
State = Literal["", "silent", "dead", "exploded", "broken"]
"""Nothing to say; deliberate zeros; changes nothing; far too large or no numbers; not whole."""


@dataclass(frozen=True)
class Layer:
    """One layer, word, network or whole weight of an adapter.

    Attributes:
        path, block, part, variant: see `studio.adapters.inspection.groups.Group`.
        rank, alpha: None where it has none.
        norm: Frobenius norm of the change at strength 1; not finite where its values are not.
        size: (out, in) of the weight that is changed; of anything else, its numbers' shape.
        has_magnitude: whether it is a DoRA's.
        is_blank: whether every number but alpha is zero.
        state, why: what is wrong with it, and in a clause how that shows.
    """

    path: str
    block: str
    part: str
    variant: str
    rank: int | None
    alpha: float | None
    norm: float
    size: tuple[int, ...]
    has_magnitude: bool = False
    is_blank: bool = False
    state: State = ""
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Numbers that are not finite are null, for JSON knows none."""
        return {
            "path": self.path,
            "block": self.block,
            "variant": self.variant,
            "rank": self.rank,
            "alpha": finite_or_none(self.alpha),
            "norm": finite_or_none(self.norm),
            "size": list(self.size),
            "state": self.state,
            "why": self.why,
        }


def finite_or_none(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def measured_layers(content: AdapterContent, groups: Iterable[Group]) -> list[Layer]:
    """Every group measured, its tensors in memory one group at a time.

    Raises:
        AdapterError: the file changed under our hands, or its numbers cannot be read.
    """
    configs = _configs(content.metadata)
    with content.opened() as fetch:
        return [_measured(group, fetch, configs) for group in groups]


def _configs(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What peft is told of the layers: a table of each part's settings, or a list of configurations."""
    configs = json_table(metadata.get(CONFIG_KEY, ""))
    listed = json_table(f'{{"all": {metadata.get(PEFT_KEY, "[]")}}}').get("all")
    for config in listed if isinstance(listed, list) else []:
        if isinstance(config, dict) and isinstance(config.get("target_modules"), list):
            alphas = configs.setdefault(f"{config.get('part')}.alpha_pattern", {})
            alphas |= dict.fromkeys(map(str, config["target_modules"]), config.get("alpha"))
    return configs


def _measured(group: Group, fetch: Fetch, configs: Mapping[str, Any]) -> Layer:
    parts = {part: _plain(fetch(key)) for part, key in group.keys.items()}
    shapes = {part: tuple(tensor.shape) for part, tensor in parts.items()}
    is_whole = group.variant in (WORD, NETWORK, WEIGHT)
    rank = None if is_whole else rank_of(shapes)
    alpha = _alpha(group.path, rank, parts, configs)
    norm, state, why = _norm(group, parts, 1.0 if not rank or alpha is None else alpha / rank)
    is_blank = not any(bool(t.any()) for part, t in parts.items() if part != ALPHA)
    return Layer(
        path=group.path,
        block=group.block,
        part=group.part,
        variant=group.variant,
        rank=rank,
        alpha=alpha,
        norm=norm,
        size=next(iter(shapes.values())) if is_whole else size_of(shapes),
        has_magnitude=MAGNITUDE in parts,
        is_blank=is_blank,
        state=state,
        why=why,
    )


def _plain(tensor: Tensor) -> Tensor:
    """Numbers of one byte as fp32: torch computes with them in no other way."""
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor


def _norm(group: Group, parts: Mapping[str, Tensor], scale: float) -> tuple[float, State, str]:
    import torch

    from studio.adapters.inspection.norms import change_norm, numbers_norm

    for part, tensor in parts.items():
        if not torch.isfinite(tensor).all():
            return math.nan, "exploded", f"values that are not finite in {group.keys[part]}"
    try:
        if group.variant in (WORD, NETWORK, WEIGHT):
            norm = numbers_norm(list(parts.values()))
        else:
            norm = abs(scale) * change_norm(parts)
    except KeyError as error:
        return math.nan, "broken", f"it lacks its {error.args[0]}"
    except (RuntimeError, ValueError, IndexError):
        given = ", ".join(f"{name} {tuple(t.shape)}" for name, t in parts.items())
        return math.nan, "broken", f"its tensors do not fit each other: {given}"
    if norm == 0 and group.variant != WEIGHT:
        return norm, "dead", "its alpha is 0" if scale == 0 else "its change is exactly zero"
    return norm, "", ""


def _alpha(
    path: str, rank: int | None, parts: Mapping[str, Tensor], configs: Mapping[str, Any]
) -> float | None:
    """As the file has it with the layer, or in peft's configuration; None where nothing says it."""
    if rank is None:
        return None
    if ALPHA in parts:
        return float(parts[ALPHA].float().flatten()[0]) if parts[ALPHA].numel() else None
    part, _, module = path.partition(".")
    pattern = configs.get(f"{part}.alpha_pattern")
    default = configs.get(f"{part}.lora_alpha")
    stated = pattern.get(module, default) if isinstance(pattern, dict) else default
    if not isinstance(stated, int | float):
        return None
    # rsLoRA scales by alpha / sqrt(rank); said as the alpha that means the same elsewhere.
    return float(stated) * (rank**0.5 if configs.get(f"{part}.use_rslora") else 1.0)
