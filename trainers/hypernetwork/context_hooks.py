"""Where a hypernetwork meets a base model: hooks on what attention reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from studio.adapters.hypernetwork_network import ContextNetwork, NetworkPair


def context_widths(unet: nn.Module) -> list[int]:
    """Widths of all contexts that the U-Net's attention reads, ascending.

    Self-attention's context is the hidden states, cross-attention's the text; a width that both have
    is one width, for A1111 tells contexts apart by nothing else.
    """
    return sorted({attention.to_k.in_features for attention in _attentions(unet)})


class ContextHooks:
    """The networks before ``to_k`` and ``to_v`` of every attention that reads a context of their width.

    Several sets of hooks work one after the other, each on what the one before it made of the context,
    as in A1111. The networks stay outside the U-Net: its modules and parameters are as they were.
    """

    def __init__(
        self, unet: nn.Module, networks: Mapping[int, NetworkPair], strength: float = 1.0
    ) -> None:
        self._unet, self._networks, self._strength = unet, networks, strength
        self._handles: list[RemovableHandle] = []

    def put_on(self) -> None:
        for attention in _attentions(self._unet):
            pair = self._networks.get(attention.to_k.in_features)
            if pair is not None:
                for layer, network in zip((attention.to_k, attention.to_v), pair, strict=True):
                    self._handles.append(layer.register_forward_pre_hook(self._hook(network)))

    def take_off(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _hook(self, network: ContextNetwork) -> Any:
        strength = self._strength

        def reshape_context(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            if network.training != layer.training:  # dropout is on where the base's own would be
                network.train(layer.training)
            context, *rest = arguments
            if context.device != next(network.parameters()).device:  # the U-Net visits a GPU
                network.to(context.device)
            return (reshaped(context, network, strength), *rest)

        return reshape_context


def reshaped(context: Tensor, network: ContextNetwork, strength: float) -> Tensor:
    """``context + strength * network(context)``, worked out in fp32, in the context's own format.

    Args:
        context: (batch, tokens, width).
    """
    precise = context.to(torch.float32)
    changed: Tensor = precise + strength * network(precise)
    return changed.to(context.dtype)


def _attentions(unet: nn.Module) -> list[Any]:
    """Typed loosely, for diffusers types ``to_k`` as a module without a width."""
    return [module for module in unet.modules() if isinstance(module, Attention)]
