"""The weights that a hypernetwork's networks start with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import init

from studio.adapters.hypernetwork_network import ContextNetwork, Structure
from trainers.hypernetwork.settings import HypernetworkSettings

CLASSIC_STD = 0.01


def new_network(width: int, structure: Structure, settings: HypernetworkSettings) -> ContextNetwork:
    """A network for contexts of one width, its weights drawn from torch's global generator."""
    network = ContextNetwork(width, structure, settings.dropouts)
    weighted = [m for m in network.linear if isinstance(m, nn.Linear | nn.LayerNorm)]
    for member in weighted:
        init.zeros_(member.bias)
        if isinstance(member, nn.Linear):
            _draw(member.weight, settings)
        elif not settings.zero_last_layer:
            # A1111 draws these around zero too, not around one.
            init.normal_(member.weight, std=CLASSIC_STD)
    if settings.zero_last_layer:
        init.zeros_(weighted[-1].weight)
    return network


def zero_start_problem(settings: HypernetworkSettings) -> str:
    """Why a zeroed last layer would not start as an identity or never leave it; empty where it does.

    An activation behind the last layer, and no layer norm behind that, meets exactly zero at the start.
    """
    if not (settings.zero_last_layer and settings.activate_output) or settings.add_layer_norm:
        return ""
    structure = Structure((1, 1), settings.activation_func, activate_output=True)
    (*_, last) = ContextNetwork(1, structure).eval().linear
    at_zero = torch.zeros(1, requires_grad=True)
    value = last(at_zero)
    if value.item() != 0:
        return "does not leave a zero at zero"
    (slope,) = torch.autograd.grad(value.sum(), at_zero)
    return "lets no gradient through at zero" if slope.item() == 0 else ""


def _draw(weight: Tensor, settings: HypernetworkSettings) -> None:
    match settings.weight_init:
        case "normal":
            init.normal_(weight, std=CLASSIC_STD)
        case "xavier_uniform":
            init.xavier_uniform_(weight)
        case "xavier_normal":
            init.xavier_normal_(weight)
        case "kaiming_uniform":
            init.kaiming_uniform_(weight, nonlinearity="relu")
        case "kaiming_normal":
            init.kaiming_normal_(weight, nonlinearity="relu")
