"""How tools compute a layer's change from a file's tensors; of DoRA and OFT each has a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.adapters.readback import Change

Found = Mapping[str, Tensor]
"""One layer's tensors by what follows its name in the file: ``lora_down.weight``, ``alpha``, …"""

Decomposition = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Original weight, what is added to it, and a ``dora_scale``, to the changed weight; fp32."""

_LORA = {"lora_down.weight", "lora_up.weight"}
_LOHA = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}
_LOKR = {f"lokr_w{n}{end}" for n in (1, 2) for end in ("", "_a", "_b")}
_OFT = {"oft_blocks"}
_SCALES = {"alpha", "dora_scale"}


@dataclass(frozen=True)
class Rules:
    """What a tool makes of tensors that tools read differently.

    Attributes:
        decomposed: how it reads ``dora_scale``; None: not at all.
        turns: whether it knows ``oft_blocks``.
        limit_grows: whether an OFT's alpha limits the rotation by alpha times the layer's rows, or by
            alpha alone.
    """

    decomposed: Decomposition | None
    turns: bool = True
    limit_grows: bool = True


def change_of(found: Found, weight: Tensor, rules: Rules) -> Change | None:
    """What a tool adds to ``weight``; None where the tensors make up no change of it."""
    names = set(found) - _SCALES
    if names == _OFT:
        return _turning(found, weight, rules) if rules.turns else None
    if names == _LORA:
        delta = _low_rank(found, weight)
    elif names == _LOHA:
        delta = _hadamard(found, weight)
    elif names and names <= _LOKR:
        delta = _kronecker(found, weight)
    else:
        return None
    if delta is None or "dora_scale" not in found or rules.decomposed is None:
        return delta and _constant(delta)
    return _decomposing(delta, found["dora_scale"].float(), rules.decomposed)


def rows_of_changed(weight: Tensor, added: Tensor, scale: Tensor) -> Tensor:
    """LyCORIS: every row of the changed weight gets the length in ``scale``."""
    changed = weight + added
    return changed * (scale / _norms(changed, 0))


def rows_of_original(weight: Tensor, added: Tensor, scale: Tensor) -> Tensor:
    """ComfyUI and Forge: a scale per row is divided by the norms of the *original* rows; one per
    column, by those of the changed columns.
    """
    changed = weight + added
    per_row = scale.shape[0] == changed.shape[0]
    return changed * (scale / (_norms(weight, 0) if per_row else _norms(changed, 1)))


def columns_of_changed(weight: Tensor, added: Tensor, scale: Tensor) -> Tensor:
    """A1111 1.10: always by the norms of the changed columns, whatever the scale is made for."""
    changed = weight + added
    return changed * (scale / _norms(changed, 1))


LYCORIS = Rules(rows_of_changed)
"""Which kohya's scripts run for the files that name it."""


def _decomposing(delta: Callable[[], Tensor], scale: Tensor, decomposed: Decomposition) -> Change:
    def change(weight: Tensor) -> Tensor:
        original = weight.detach().float().cpu()
        return decomposed(original, delta().reshape(original.shape), scale) - original

    return change


def _constant(delta: Callable[[], Tensor]) -> Change:
    return lambda weight: delta().reshape(weight.shape)


def _norms(weight: Tensor, kept: int) -> Tensor:
    """Euclidean norms over all dimensions but one, which stays, so that they broadcast."""
    dims = [dim for dim in range(weight.dim()) if dim != kept]
    norms: Tensor = torch.linalg.vector_norm(weight, dim=dims, keepdim=True)
    return norms


def _low_rank(found: Found, weight: Tensor) -> Callable[[], Tensor] | None:
    down, up = found["lora_down.weight"], found["lora_up.weight"]
    pair = down.dim() == up.dim() == weight.dim() and up.shape[1] == down.shape[0]
    if not pair or (up.shape[0], *down.shape[1:]) != (weight.shape[0], *weight.shape[1:]):
        return None
    factor = _factor(found, down.shape[0])
    return lambda: factor * (up.float().flatten(1) @ down.float().flatten(1))


def _hadamard(found: Found, weight: Tensor) -> Callable[[], Tensor] | None:
    pairs = [(found[f"hada_w{n}_a"], found[f"hada_w{n}_b"]) for n in (1, 2)]
    if any(a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] for a, b in pairs):
        return None
    if any(a.shape[0] != len(weight) or len(a) * b.shape[1] != weight.numel() for a, b in pairs):
        return None
    factor = _factor(found, found["hada_w1_b"].shape[0])
    (a, b), (c, d) = pairs
    return lambda: factor * (a.float() @ b.float()) * (c.float() @ d.float())


def _kronecker(found: Found, weight: Tensor) -> Callable[[], Tensor] | None:
    ranks = [found[name].shape[0] for name in ("lokr_w2_b", "lokr_w1_b") if name in found]
    factor = _factor(found, ranks[0]) if ranks else 1.0
    try:
        left, right = (_whole(found, f"lokr_w{n}") for n in (1, 2))
    except (KeyError, RuntimeError):
        return None
    if left.numel() * right.numel() != weight.numel() or len(left) * len(right) != len(weight):
        return None
    spread = left.reshape(*left.shape, *[1] * (right.dim() - left.dim()))
    return lambda: factor * torch.kron(spread, right)


def _turning(found: Found, weight: Tensor, rules: Rules) -> Change | None:
    """W' = R^T W, R block by block (I + Q) (I - Q)^-1 with Q = B - B^T: the layer's output turns."""
    blocks = found["oft_blocks"].float()
    if blocks.dim() != 3 or blocks.shape[1] != blocks.shape[2]:
        return None
    if blocks.shape[0] * blocks.shape[1] != len(weight):
        return None
    alpha = float(found.get("alpha", torch.zeros(())))
    limit = alpha * len(weight) if rules.limit_grows else alpha
    skew = blocks - blocks.mT
    length = float(torch.linalg.vector_norm(skew))
    if 0 < limit < length:
        skew = skew * (limit / length)
    one = torch.eye(blocks.shape[1])
    rotations = torch.matmul(one + skew, torch.linalg.inv(one - skew))

    def change(weight: Tensor) -> Tensor:
        rows = weight.detach().float().cpu().flatten(1)
        turned = torch.bmm(rotations.mT, rows.reshape(*blocks.shape[:2], -1))
        return (turned.reshape(rows.shape) - rows).reshape(weight.shape)

    return change


def _whole(found: Found, name: str) -> Tensor:
    if name in found:
        return found[name].float()
    return found[f"{name}_a"].float() @ found[f"{name}_b"].float()


def _factor(found: Found, rank: int) -> float:
    """A missing alpha means scale 1, in all of them."""
    return float(found["alpha"]) / rank if "alpha" in found else 1.0
