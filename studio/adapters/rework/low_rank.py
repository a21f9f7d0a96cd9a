"""Weight changes of low rank by their singular values, without making the whole matrix.

A product B A of two thin matrices is brought to its singular value decomposition by QR of both and the
decomposition of what is left between, which is as small as the rank. Cut off after its largest values it
is the nearest matrix of that rank, and the discarded values are the error (Eckart and Young, 1936).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from studio.adapters import extraction
from studio.adapters.layer_change import Parts, scale_of
from studio.errors import AdapterError

# By so little of the whole a sum of squares may fall short of it by rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Product:
    """``scale * up @ down``.

    Attributes:
        up: (out, rank), or (out, rank, 1, 1) of a convolution.
        down: (rank, in), or (rank, in, k, k).
    """

    up: Tensor
    down: Tensor
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight that it changes."""
        return (len(self.up), *self.down.shape[1:])

    @property
    def energy(self) -> float:
        """The squared Frobenius norm: the sum over B^T B and A A^T, element by element."""
        up, down = self.up.flatten(1).double(), self.down.flatten(1).double()
        return self.scale**2 * ((up.T @ up) * (down @ down.T)).sum().item()


@dataclass(frozen=True)
class Truncation:
    """Where a decomposition is cut off.

    Attributes:
        rank: the most values that stay; None for no limit.
        keep: the share of the squared Frobenius norm that the fewest values have to reach; None to let
            ``rank`` decide alone. Where both are given and disagree, ``rank`` wins.

    Raises:
        AdapterError: neither is given, or one is out of range.
    """

    rank: int | None = None
    keep: float | None = None

    def __post_init__(self) -> None:
        if self.rank is None and self.keep is None:
            raise AdapterError("no rank and no share to keep are given; give --rank or --keep")
        if self.rank is not None and self.rank < 1:
            raise AdapterError(f"rank {self.rank} is no rank; give 1 or more")
        if self.keep is not None and not 0 < self.keep <= 1:
            raise AdapterError(f"{self.keep} is no share to keep; give more than 0 and at most 1")


@dataclass(frozen=True)
class Decomposition:
    """A change of a weight as ``left @ diag(values) @ right``, fp64 on the CPU.

    Attributes:
        left: (out, n), columns of length 1.
        values: (n,), from large to small.
        right: (n, in * k * k), rows of length 1.
        shape: of the weight.
        energy: the squared Frobenius norm of all that is approximated; more than that of ``values``
            where the smallest were left out before.
    """

    left: Tensor
    values: Tensor
    right: Tensor
    shape: tuple[int, ...]
    energy: float

    def rank_for(self, truncation: Truncation) -> int:
        """How many values stay: at least one, so that the layer remains."""
        most = len(self.values) if truncation.rank is None else truncation.rank
        enough = len(self.values)
        if truncation.keep is not None:
            reached = self.values.square().cumsum(0) >= truncation.keep * self.energy * (
                1 - _ROUNDING
            )
            enough = int(reached.int().argmax()) + 1 if reached.any() else enough
        return max(1, min(most, enough))

    def kept(self, rank: int) -> float:
        """The share of the energy in the ``rank`` largest values; 1 where there is none."""
        if self.energy == 0:
            return 1.0
        return min(1.0, self.values[:rank].square().sum().item() / self.energy)

    def cut(self, rank: int) -> Product:
        """The nearest change of that rank, fp32; both factors are of like lengths."""
        roots = self.values[:rank].sqrt()
        ones = [1] * (len(self.shape) - 2)
        return Product(
            (self.left[:, :rank] * roots).reshape(self.shape[0], -1, *ones).float(),
            (roots[:, None] * self.right[:rank]).reshape(-1, *self.shape[1:]).float(),
        )


def product_of(path: str, parts: Parts) -> Product:
    """A LoRA layer's product.

    Raises:
        AdapterError: the tensors cannot be multiplied as a LoRA's are.
    """
    up, down = parts["lora_B.weight"].float(), parts["lora_A.weight"].float()
    if up.flatten(1).shape[1] != len(down):
        raise AdapterError(
            f"its layer {path!r} has factors of shapes {tuple(up.shape)} and {tuple(down.shape)}, "
            "which make no LoRA; export it anew"
        )
    return Product(up, down, scale_of(parts))


def decomposed(product: Product) -> Decomposition:
    """The singular values of a product by way of its factors."""
    left, left_core = torch.linalg.qr(product.up.flatten(1).double())
    right, right_core = torch.linalg.qr(product.down.flatten(1).double().T)
    core = product.scale * left_core @ right_core.T  # (rank, rank)
    inner_left, values, inner_right = torch.linalg.svd(core, full_matrices=False)
    return Decomposition(
        left=left @ inner_left,
        values=values,
        right=inner_right @ right.T,
        shape=product.shape,
        energy=values.square().sum().item(),
    )


def decomposed_whole(change: Tensor, most: int | None = None) -> Decomposition:
    """The ``most`` largest singular values of a change that is there as a whole.

    Args:
        change: (out, in) or (out, in, k, k).
        most: None for all.
    """
    shorter = min(len(change), change[0].numel())
    energy = change.double().square().sum().item()
    if energy == 0:  # values of no length have no directions
        nothing = torch.zeros(len(change), 1), torch.zeros(1, *change.shape[1:])
        return decomposed(Product(*nothing))
    up, down, _ = extraction.low_rank(change, min(most or shorter, shorter))
    return replace(decomposed(Product(up, down)), energy=energy)


def concatenated(products: Sequence[Product]) -> Product:
    """The sum of several products as one of their summed rank, exactly.

    Half of each scale goes into either factor, so that neither leaves what fp16 can hold.

    Raises:
        AdapterError: they change weights of different shapes.
    """
    shape = products[0].shape
    other = next((p for p in products if math.prod(p.shape[1:]) != math.prod(shape[1:])), None)
    other = other or next((p for p in products if p.shape[0] != shape[0]), None)
    if other is not None:
        raise AdapterError(f"weights of shapes {shape} and {other.shape} cannot be added")
    ups = [p.up.flatten(1) * math.copysign(math.sqrt(abs(p.scale)), p.scale) for p in products]
    downs = [p.down.flatten(1) * math.sqrt(abs(p.scale)) for p in products]
    up, down = torch.cat(ups, 1), torch.cat(downs, 0)
    ones = [1] * (len(shape) - 2)
    return Product(up.reshape(*up.shape, *ones), down.reshape(-1, *shape[1:]))
