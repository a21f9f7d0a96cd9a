"""Will a tool do with a hypernetwork's file what was trained? Its networks, compared by their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from studio.adapters.adapter import Adapter
from studio.adapters.hypernetwork_network import networks_of
from studio.adapters.measurement import relative
from studio.adapters.tools.networks_a1111 import PT_ALONE, Networks
from studio.adapters.tools.tables import Table, UnreadError, load_table
from studio.bases.base_model import BaseModel

NetworkReader = Callable[[Table], Networks]
"""How one tool reads a file. Raises UnreadError where it does not."""

_TOKENS = 16
# A network that adds less than this share of its context is compared with that: nobody would see it.
_FLOOR = 1e-3


def why_not(read: NetworkReader, path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why a tool will not do with the file what was trained; a clause, empty where it will.

    Each network is compared by its values for a random context.

    Raises:
        VerificationError: it is no whole file.
    """
    table = load_table(path)
    trained = {
        (width, side): network
        for width, pair in networks_of(adapter).items()
        for side, network in enumerate(pair)
    }
    try:
        found = read(table)
        if missing := sorted(trained.keys() - found.keys()):
            return f"it finds no networks for contexts of width {missing[0][0]}"
        if more := sorted(found.keys() - trained.keys()):
            return f"it finds networks for contexts of width {more[0][0]}, which were not trained"
        if unread := sorted(at[0] for at in found if at[0] not in _context_widths(base)):
            return f"no attention of the base reads contexts of width {unread[0]}"
        off = {at: _difference(network, trained[at], at[0]) for at, network in found.items()}
    except UnreadError as error:
        return str(error)
    worst = max(off, key=lambda at: off[at])
    if off[worst] <= table.tolerance:
        return ""
    return (
        "it makes another network of these tensors: for contexts of width "
        f"{worst[0]} it is off by {off[worst]:.2%}"
    )


def by_forge(table: Table) -> Networks:
    """Forge 2025-06: loaded as in A1111, but attention does not ask for it any more."""
    raise UnreadError("it loads hypernetworks without any effect" if table.is_pickled else PT_ALONE)


def by_none(table: Table) -> Networks:  # noqa: ARG001 - by a reader's signature
    """As diffusers and sd-scripts, which have no loader for them."""
    raise UnreadError("it knows no hypernetworks")


def _context_widths(base: BaseModel) -> set[int]:
    """What self-attention and cross-attention get for keys and values."""
    modules = [m for n, m in base.unet.named_modules() if n.endswith((".attn1", ".attn2"))]
    return {int(module.to_k.in_features) for module in modules}


@torch.no_grad()
def _difference(read: nn.Module, trained: nn.Module, width: int) -> float:
    """The length of the difference as a share of what the trained network adds."""
    context = torch.randn((_TOKENS, width), generator=torch.Generator().manual_seed(width))
    wanted = trained(context)
    try:
        got = read(context)
    except RuntimeError as error:
        raise UnreadError(f"its network does not take contexts of width {width}") from error
    if got.shape != wanted.shape:
        raise UnreadError(f"its network does not give back contexts of width {width}")
    size = max(wanted.norm().item(), _FLOOR * context.norm().item())
    return relative((got - wanted).norm().item(), size)
