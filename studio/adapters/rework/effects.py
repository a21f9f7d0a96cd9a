"""What two adapters do, compared part by part without a base model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import KIND, is_word, words_of
from studio.adapters.layer_change import BLOCKS, MAGNITUDE, VARIANT_PARTS, Parts, added
from studio.adapters.lora_layers import parts_by_path
from studio.adapters.measurement import relative
from studio.adapters.peft_configs import ROTATION
from studio.adapters.weight_changes import FLOOR


def effects(adapter: Adapter) -> dict[str, Callable[[], Tensor]]:
    """By name, what each part does, to be worked out when asked for: what a low-rank layer adds to its
    weight, a DoRA's lengths, an OFT's rotations, and of every other kind the tensors themselves.

    A file's one word is called by its part alone: tools call it by the file's name, whatever it says.
    """
    is_low_rank = adapter.header.kind in VARIANT_PARTS or adapter.header.kind == "pivotal"
    whole = {n: t for n, t in adapter.tensors.items() if is_word(n) or not is_low_rank}
    found = {_called(name, adapter): partial(_itself, tensor) for name, tensor in whole.items()}
    layers = parts_by_path({n: t for n, t in adapter.tensors.items() if n not in whole})
    for path, parts in layers.items():
        found[path] = partial(_layer_effect, parts)
        if MAGNITUDE in parts:
            found[f"{path}.{MAGNITUDE}"] = partial(_itself, parts[MAGNITUDE])
    return dict(found)


def largest_difference(found: Adapter, wanted: Adapter) -> tuple[float, str]:
    """How far one adapter's effects are from another's, and where most.

    Returns:
        The largest difference of any part, as a share of that part's largest value, and the part's
        name. A part that hardly does anything is compared with a thousandth of the largest of all.
        Infinite where a part has another shape. An absent part counts as one that does nothing.
    """
    ours, theirs = effects(found), effects(wanted)
    compared = {name: _compared(ours.get(name), theirs.get(name)) for name in sorted(ours | theirs)}
    largest = max((size for size, _ in compared.values()), default=0.0)
    shares = {
        name: relative(difference, max(size, FLOOR * largest))
        for name, (size, difference) in compared.items()
    }
    worst = max(shares, key=lambda name: shares[name], default="")
    return shares.get(worst, 0.0), worst


def _compared(
    found: Callable[[], Tensor] | None, wanted: Callable[[], Tensor] | None
) -> tuple[float, float]:
    """The wanted part's largest value, and the largest difference."""
    if found is None or wanted is None:
        size = 0.0 if wanted is None else _largest(wanted())
        return size, size if found is None else _largest(found())
    got, meant = found(), wanted()
    return _largest(meant), _largest(got - meant) if got.shape == meant.shape else math.inf


def _called(name: str, adapter: Adapter) -> str:
    is_only_word = adapter.header.kind == KIND and len(words_of(adapter)) == 1
    return name.partition(".")[0] if is_only_word else name


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _layer_effect(parts: Parts) -> Tensor:
    rotation = parts.get(ROTATION, parts.get(BLOCKS))
    return added(parts).flatten(1) if rotation is None else rotation


def _largest(tensor: Tensor) -> float:
    return tensor.abs().max().item() if tensor.numel() else 0.0
