"""What an adapter does to one layer's weight, worked out from the layer's few tensors.

The tensors are called as peft calls them; ``alpha`` stands with them and scales the change by
alpha / rank, the one rule that adapter files know. A layer without alpha has scale 1.

========  ====================================================================================
lora      W + s B A; a DoRA brings each row of it to the length in ``lora_magnitude_vector``
loha      W + s (w1_a w1_b) * (w2_a w2_b), element by element
lokr      W + s kron(w1, w2), each factor whole or a product of two
oft       W R^T, R block by block a rotation by Cayley's formula from ``oft_R.weight``
diag_oft  R^T W, R likewise from ``oft_blocks``: the layer's output turns where oft turns its input
========  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studio.errors import AdapterError

Parts = Mapping[str, Tensor]
"""One layer's tensors by what they are to it, ``lora_A.weight`` and the like."""

ALPHA, MAGNITUDE, BLOCKS = "alpha", "lora_magnitude_vector", "oft_blocks"
VARIANT_PARTS: dict[str, frozenset[str]] = {
    "lora": frozenset({"lora_A.weight", "lora_B.weight", MAGNITUDE, ALPHA}),
    "loha": frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", ALPHA}),
    "lokr": frozenset({f"lokr_w{n}{ab}" for n in (1, 2) for ab in ("", "_a", "_b")} | {ALPHA}),
    "oft": frozenset({"oft_R.weight"}),
    "diag_oft": frozenset({BLOCKS, ALPHA}),
}
ROTATIONS = ("oft", "diag_oft")
_RANK_OF = ("lora_A.weight", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")


def variant_of(parts: Parts) -> str:
    """The variant that tensors of these names make up.

    Raises:
        AdapterError: none.
    """
    for variant, known in VARIANT_PARTS.items():
        if parts.keys() <= known and not parts.keys() <= {ALPHA}:
            return variant
    raise AdapterError(f"its tensors {sorted(parts)} make up no layer of a LoRA, LoHa, LoKr or OFT")


def has_rank(parts: Parts) -> bool:
    """Whether the layer has a bottleneck: two whole factors of a LoKr have none, and a rotation."""
    return any(name in parts for name in _RANK_OF)


def rank_of(parts: Parts) -> int:
    """The width of the layer's bottleneck, the side of `BLOCKS`; 1 where there is neither."""
    if BLOCKS in parts:
        return parts[BLOCKS].shape[-1]
    return next((parts[name].shape[0] for name in _RANK_OF if name in parts), 1)


def scale_of(parts: Parts) -> float:
    """The factor on the change; 1 where there is no rank, for no tool reads an alpha then."""
    return float(parts[ALPHA]) / rank_of(parts) if ALPHA in parts and has_rank(parts) else 1.0


def changed_weight(weight: Tensor, parts: Parts) -> Tensor:
    """The layer's weight as trained, fp32, on the weight's device.

    Args:
        weight: (out, in) or (out, in, k, k).

    Raises:
        AdapterError: a tensor is missing, or the shapes do not fit.
    """
    weight = weight.detach().float()
    parts = {name: tensor.to(weight.device, torch.float32) for name, tensor in parts.items()}
    try:
        variant = variant_of(parts)
        if variant == "oft":
            return _input_turned(weight, parts["oft_R.weight"])
        if variant == "diag_oft":
            return output_turned(weight, parts[BLOCKS])
        changed = weight + added(parts).reshape(weight.shape)
        return _with_row_lengths(changed, parts[MAGNITUDE]) if MAGNITUDE in parts else changed
    except (LookupError, RuntimeError, ValueError, ZeroDivisionError) as error:
        given = {name: tuple(tensor.shape) for name, tensor in parts.items()}
        raise AdapterError(
            f"the adapter's tensors {given} do not make up a change of a weight of shape "
            f"{tuple(weight.shape)}; it was made for another base model"
        ) from error


def added(parts: Parts) -> Tensor:
    """What is added to the weight, (out, in * k * k) or with the weight's own dimensions, fp32.

    Raises:
        KeyError, RuntimeError: a tensor is missing, or two cannot be multiplied.
    """
    variant = variant_of(parts)
    if variant == "lora":
        change = parts["lora_B.weight"].flatten(1) @ parts["lora_A.weight"].flatten(1)
    elif variant == "loha":
        change = (parts["hada_w1_a"] @ parts["hada_w1_b"]) * (
            parts["hada_w2_a"] @ parts["hada_w2_b"]
        )
    else:
        change = _kronecker(_factor(parts, "lokr_w1"), _factor(parts, "lokr_w2"))
    return scale_of(parts) * change


def _factor(parts: Parts, name: str) -> Tensor:
    return parts[name] if name in parts else parts[f"{name}_a"] @ parts[f"{name}_b"]


def _kronecker(left: Tensor, right: Tensor) -> Tensor:
    """A convolution's right factor may have the kernel's dimensions; the left one then gets them too."""
    product: Tensor = torch.kron(
        left.reshape(*left.shape, *[1] * (right.dim() - left.dim())), right
    )
    return product


def _with_row_lengths(weight: Tensor, lengths: Tensor) -> Tensor:
    rows = (-1, *[1] * (weight.dim() - 1))
    factors = lengths.flatten() / torch.linalg.vector_norm(weight.flatten(1), dim=1)
    stretched: Tensor = factors.view(rows) * weight
    return stretched


def output_turned(weight: Tensor, blocks: Tensor) -> Tensor:
    """W with its output dimensions rotated block by block, as LyCORIS' diag-oft does.

    Args:
        weight: (blocks * side, ...).
        blocks: (blocks, side, side), of which the skew-symmetric part counts: Q = B - B^T, the rotation is
            (I + Q) (I - Q)^-1 (Cayley), and a layer's output y becomes y R, block by block.
    """
    skew = blocks - blocks.mT
    one = torch.eye(blocks.shape[-1], device=blocks.device)
    rotations = torch.linalg.solve(one - skew, one + skew, left=False)
    turned: Tensor = rotations.mT @ weight.reshape(*blocks.shape[:2], -1)
    return turned.reshape(weight.shape)


def _input_turned(weight: Tensor, upper: Tensor) -> Tensor:
    """W with its input dimensions rotated block by block.

    Args:
        upper: (blocks, side * (side - 1) / 2), the upper triangle of each block's skew-symmetric Q;
            the rotation is (I - Q) (I + Q)^-1 (Cayley), and a layer computes W (x R) from its input x.
    """
    rows = weight.flatten(1)
    blocks, size = len(upper), rows.shape[1] // len(upper)
    skew = upper.new_zeros(blocks, size, size)
    skew[:, *torch.triu_indices(size, size, 1)] = upper
    skew = skew - skew.transpose(1, 2)
    one = torch.eye(size, device=upper.device)
    rotations = torch.linalg.solve(one + skew, one - skew, left=False)
    turned = torch.einsum("obj,bij->obi", rows.view(-1, blocks, size), rotations)
    return turned.reshape(weight.shape)
