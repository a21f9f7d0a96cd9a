"""How tools compute a layer's change from a file's tensors; of DoRA each has a reading of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
_SCALES = {"alpha", "dora_scale"}


def change_of(found: Found, weight: Tensor, decomposed: Decomposition | None) -> Change | None:
    """What a tool adds to ``weight``; None where the tensors make up no change of it.

    Args:
        decomposed: how the tool reads ``dora_scale``; None: not at all.
    """
    names = set(found) - _SCALES
    if names == _LORA:
        delta = _low_rank(found, weight)
    elif names == _LOHA:
        delta = _hadamard(found, weight)
    elif names and names <= _LOKR:
        delta = _kronecker(found, weight)
    else:
        return None
    if delta is None or "dora_scale" not in found or decomposed is None:
        return delta and _constant(delta)
    return _decomposing(delta, found["dora_scale"].float(), decomposed)


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


def _whole(found: Found, name: str) -> Tensor:
    if name in found:
        return found[name].float()
    return found[f"{name}_a"].float() @ found[f"{name}_b"].float()


def _factor(found: Found, rank: int) -> float:
    """A missing alpha means scale 1, in all of them."""
    return float(found["alpha"]) / rank if "alpha" in found else 1.0
