"""An adapter with another strength in each block of the base: what is scaled before it is put on.

The extension "LoRA Block Weight" made this known to users of the webuis
(https://github.com/hako-mikan/sd-webui-lora-block-weight). Here a block has a name, that of
`studio.adapters.blocks.block_of`, or the beginning of one: ``unet``, ``unet.up``, ``unet.up.1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.blocks import block_of
from studio.adapters.embedding_vectors import PIVOTAL, is_word
from studio.adapters.layer_change import ALPHA, MAGNITUDE, Parts, has_rank, rank_of
from studio.adapters.lora_layers import parts_by_path
from studio.errors import AdapterError, UserError

LEVELS = tuple(f"unet.{side}.{level}" for side in ("down", "up") for level in range(4))
BLOCKS = (
    "text_encoder", "text_encoder_2", "unet", "unet.down", "unet.mid", "unet.up", "unet.outside",
    *LEVELS,
)  # fmt: skip
LINEAR = ("lora", "loha", "lokr", PIVOTAL)
"""Kinds whose change is a product that a factor passes through; a pivotal adapter's words stay."""


def require_blocks(names: Iterable[str]) -> None:
    """Refuse a name that is no block's.

    Raises:
        UserError: so it is.
    """
    for name in names:
        if name not in BLOCKS:
            close = get_close_matches(name.lower(), BLOCKS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(BLOCKS)}"
            raise UserError(f'"{name}" is no block of a base model; {hint}')


def strength_of(block: str, strengths: Mapping[str, float]) -> float:
    """The strength of a block; of several names that fit it the longest decides, and else it is 1."""
    fitting = [name for name in strengths if f"{block}.".startswith(f"{name}.")]
    return strengths[max(fitting, key=len)] if fitting else 1.0


def with_block_strengths(adapter: Adapter, strengths: Mapping[str, float]) -> Adapter:
    """The adapter with what it does in each block times the block's strength.

    Args:
        strengths: by the block's name; blocks without one stay as they are.

    Raises:
        UserError: a name is no block's.
        AdapterError: what the adapter does is not scaled by scaling its tensors.
    """
    require_blocks(strengths)
    if not strengths:
        return adapter
    _require_linear(adapter)
    tensors = {name: tensor for name, tensor in adapter.tensors.items() if not is_word(name)}
    words = {name: tensor for name, tensor in adapter.tensors.items() if is_word(name)}
    for path, parts in parts_by_path(tensors).items():
        strength = strength_of(block_of(path), strengths)
        if strength != 1.0:
            tensors |= {f"{path}.{part}": t for part, t in _scaled(parts, strength).items()}
    return replace(adapter, tensors=words | tensors)


def _require_linear(adapter: Adapter) -> None:
    kind = adapter.header.kind
    is_dora = any(name.endswith(f".{MAGNITUDE}") for name in adapter.tensors)
    if kind in LINEAR and not is_dora:
        return
    raise AdapterError(
        f"strength per block is for LoRA, LoHa and LoKr; this is a {'DoRA' if is_dora else kind} "
        "adapter, whose blocks cannot be scaled one by one; leave the blocks out"
    )


def _scaled(parts: Parts, strength: float) -> dict[str, torch.Tensor]:
    """The layer's tensors that change: its alpha, or a factor where no alpha is read."""
    if has_rank(parts):
        alpha = parts.get(ALPHA, torch.tensor([float(rank_of(parts))]))
        return {ALPHA: alpha * strength}
    return {"lokr_w1": parts["lokr_w1"] * strength}
