"""What peft has to be told of a file's layers: one configuration for each part and each way to build it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from peft.tuners.lokr.layer import factorization

from studio.adapters.layer_change import Parts, rank_of
from studio.adapters.layer_shapes import kernel_of
from studio.adapters.lora_layers import Layers, stated_alpha
from studio.adapters.names import nested
from studio.errors import AdapterError

ROTATION = "oft_R.weight"
# peft's other ways to make a rotation of the same numbers, which change what a file means.
EXACT = {"use_cayley_neumann": False, "coft": False, "block_share": False}
Config = dict[str, Any]
"""The arguments of an OFTConfig, LoHaConfig or LoKrConfig, and the ``part`` that it is for."""


def configs_of(layers: Layers, family: str) -> list[Config]:
    """Configurations that make peft build these very layers.

    Raises:
        AdapterError: peft cannot split a layer into a LoKr's factors as they are.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for path, parts in layers.items():
        part, _, module = live_path(path).partition(".")
        built = json.dumps(_arguments(path, parts, family), sort_keys=True)
        groups.setdefault((part, built), []).append(module)
    return [
        {"part": part, **json.loads(built), "target_modules": modules}
        for (part, built), modules in groups.items()
    ]


def live_path(path: str) -> str:
    """As the modules of transformers >= 5.6 are called: the second text encoder alone is nested."""
    return nested(path) if path.startswith("text_encoder_2.") else path


def _arguments(path: str, parts: Parts, family: str) -> Mapping[str, Any]:
    if ROTATION in parts:
        # n = side * (side - 1) / 2 numbers above the diagonal
        side = (1 + math.isqrt(1 + 8 * parts[ROTATION].shape[1])) // 2
        return {"r": 0, "oft_block_size": side, **EXACT}
    if "hada_w1_a" in parts:
        return {"r": rank_of(parts), "alpha": stated_alpha(parts)}
    return _of_kronecker(path, parts, family)


def _of_kronecker(path: str, parts: Parts, family: str) -> Mapping[str, Any]:
    """A LoKr whose factors are whole has any rank that is large enough, and as much alpha: scale 1."""
    (rows, columns), (more_rows, more_columns) = (
        _size(parts, name) for name in ("lokr_w1", "lokr_w2")
    )
    more_columns //= math.prod(kernel_of(path, family))
    has_rank = "lokr_w2_b" in parts or "lokr_w1_b" in parts
    rank = rank_of(parts) if has_rank else max(more_rows, more_columns)
    return {
        "r": rank,
        "alpha": stated_alpha(parts) if has_rank else rank,
        "decompose_both": "lokr_w1_a" in parts,
        "decompose_factor": _factor(path, (rows, more_rows), (columns, more_columns)),
    }


def _size(parts: Parts, name: str) -> tuple[int, int]:
    """(out, in * k * k) of a factor, whole or a product of two."""
    if name in parts:
        whole = parts[name].flatten(1)
        return whole.shape[0], whole.shape[1]
    return parts[f"{name}_a"].shape[0], parts[f"{name}_b"].flatten(1).shape[1]


def _factor(path: str, outputs: tuple[int, int], inputs: tuple[int, int]) -> int:
    """The ``decompose_factor`` by which peft splits outputs and inputs so."""
    sides = (math.prod(outputs), outputs), (math.prod(inputs), inputs)
    candidates: Iterable[int] = (-1, *range(1, max(outputs[0], inputs[0]) + 1))
    for factor in candidates:
        if all(factorization(whole, factor) == split for whole, split in sides):
            return factor
    raise AdapterError(
        f"peft cannot split {path} into factors of {outputs[0]} x {inputs[0]} and {outputs[1]} x "
        f"{inputs[1]}; export as kohya"
    )
