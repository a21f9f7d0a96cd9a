"""How large the change of one layer is, from its factors: the change itself is hardly ever formed.

For a product, ``‖B A‖² = tr((BᵀB)(A Aᵀ))``: two small square matrices in the place of a whole weight.
LoHa's ``(B1 A1) ∘ (B2 A2)`` is such a product too, of rank r², by the rows' and columns' own outer
products; LoKr's ``‖kron(a, b)‖`` is ``‖a‖ ‖b‖``. Sums are fp64, so that fp32's range overflows nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studio.adapters.inspection.names import ALPHA, DOWN, MAGNITUDE, MIDDLE, UP, variant_of

MAX_FORMED = 1 << 26  # numbers in a change that has to be formed; five times SDXL's largest weight

Parts = Mapping[str, Tensor]
"""One layer's tensors by what they are to it; see `studio.adapters.inspection.names`."""


def change_norm(parts: Parts) -> float:
    """The Frobenius norm of a layer's change before its scale; for OFT, of the numbers that say how
    far it rotates; for anything else, of all its numbers.

    Raises:
        KeyError, RuntimeError, ValueError: a tensor is missing, or two do not fit each other.
    """
    variant = variant_of(parts)
    if variant == "lora":
        down, up = _matrix(parts[DOWN]), _matrix(parts[UP])
        return _core_norm(up, parts[MIDDLE], down) if MIDDLE in parts else product_norm(up, down)
    if variant == "loha":
        return _hadamard_norm(parts)
    if variant == "lokr":
        return _factor_norm(parts, "lokr_w1") * _factor_norm(parts, "lokr_w2")
    return numbers_norm([t for name, t in parts.items() if name not in (ALPHA, MAGNITUDE)])


def numbers_norm(tensors: list[Tensor]) -> float:
    """The root of the sum of all norms."""
    norms = [
        torch.linalg.vector_norm(t if t.is_floating_point() else t.double(), dtype=torch.float64)
        for t in tensors
    ]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def product_norm(left: Tensor, right: Tensor) -> float:
    """‖left right‖, by whichever is smaller: the product, or the factors' Gram matrices.

    Args:
        left: (out, rank).
        right: (rank, in).
    """
    left, right = left.double(), right.double()
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"{tuple(left.shape)} and {tuple(right.shape)} cannot be multiplied")
    if left.shape[0] * right.shape[1] <= left.shape[1] ** 2:
        return float(torch.linalg.vector_norm(left @ right))
    square = ((left.T @ left) * (right @ right.T)).sum()
    # Rounding may leave a hair below zero where the factors all but cancel.
    return float(square.clamp(min=0).sqrt())


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.flatten(1)


def _core_norm(left: Tensor, core: Tensor, right: Tensor) -> float:
    """Of a kernel between two factors (Tucker): W = Σ left[:, i] core[i, j] right[j, :], orthogonal
    parts of the factors left away.

    Args:
        left: (out, rank).
        core: (rank, rank, k, k).
        right: (rank, in).
    """
    outer, inner = (torch.linalg.qr(t.double(), mode="r").R for t in (left, right.T))
    formed = torch.einsum("ai,ij...,bj->ab...", outer, core.double(), inner)
    return float(torch.linalg.vector_norm(formed))


def _hadamard_norm(parts: Parts) -> float:
    factors = [parts[f"hada_w{n}_{side}"] for n in (1, 2) for side in "ab"]
    cores = [parts.get(f"hada_t{n}") for n in (1, 2)]
    left1, right1, left2, right2 = factors
    rank = left1.shape[-1] * left2.shape[-1]
    if all(core is None for core in cores) and rank <= min(left1.shape[0], right1.shape[-1]):
        left = (left1.double()[:, :, None] * left2.double()[:, None, :]).flatten(1)
        right = (right1.double()[:, None, :] * right2.double()[None, :, :]).flatten(0, 1)
        return product_norm(left, right)
    first, second = _formed(left1, cores[0], right1), _formed(left2, cores[1], right2)
    return float(torch.linalg.vector_norm(first * second))


def _formed(left: Tensor, core: Tensor | None, right: Tensor) -> Tensor:
    """LyCORIS' factors: left (out, rank) and right (rank, in), or about a core (rank, rank, k, k) both
    (rank, …).
    """
    sides = (left.shape[1] if core is not None else left.shape[0]) * right.shape[1]
    size = sides * (core[0, 0].numel() if core is not None else 1)
    if size > MAX_FORMED:
        raise ValueError(f"the change would be of {size:,} numbers")
    if core is None:
        return left.double() @ right.double()
    return torch.einsum("ij...,ip,jr->pr...", core.double(), left.double(), right.double())


def _factor_norm(parts: Parts, name: str) -> float:
    if name in parts:
        return numbers_norm([parts[name]])
    left, right = parts[f"{name}_a"], parts[f"{name}_b"]
    core = parts.get(name.replace("_w", "_t"))
    if core is None:
        return product_norm(left, right)
    return _core_norm(left.T, core, right)
