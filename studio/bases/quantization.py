"""Linear layers of a frozen base in few bits: kept small, read as they are needed, gradients through them.

bitsandbytes has both codes. Its own layers around them are not used, for on the CPU they do one thing in
training and another in drawing: `Linear8bitLt` rounds the layer's inputs too, and `Linear4bit` repacks its
weight for processors with AVX-512 BF16, after which no gradient comes through it. Here the arithmetic is
one, everywhere, and what is kept for the backward pass is the code, never the weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self, cast

import bitsandbytes.functional as bnb
import torch
from torch import Tensor, nn
from torch.nn import functional

Quantization = Literal["int8", "nf4"]

NF4_BLOCK, STATISTICS_BLOCK = 64, 256

Change = Callable[[Tensor], Tensor]
"""From a weight to the weight in its place, both fp32, (out, in)."""


class QuantizedLinear(nn.Linear, ABC):
    """A linear layer that never trains, its weight in a code of few bits.

    Attributes:
        changes: what is made of the weight before it is used, in turn: adapters that are applied.
    """

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)  # not Linear's, which would make a weight
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self.changes: list[Change] = []
        self._encode(linear.weight.detach())

    @abstractmethod
    def _encode(self, weight: Tensor) -> None:
        """Keep the weight, (out, in), as buffers."""

    @abstractmethod
    def _decode(self, dtype: torch.dtype) -> Tensor:
        """The weight that was kept, (out, in)."""

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """(out, in), fp32: made anew at each reading, so nothing written to it is kept."""
        return self.weight_as(torch.float32)

    @torch.no_grad()
    def weight_as(self, dtype: torch.dtype) -> Tensor:
        """The weight with its changes, (out, in)."""
        if not self.changes:
            return self._decode(dtype)
        weight = self._decode(torch.float32)
        for change in self.changes:
            weight = change(weight)
        return weight.to(dtype)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as Linear calls it
        """(..., in) to (..., out), in the input's number format, or in autocast's."""
        output: Tensor = _Product.apply(input, self)  # type: ignore[no-untyped-call]
        return output

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves go through; another number format is the bias's only, for it would damage the code."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, tensor in before.items():
            after = self.get_buffer(name)
            if after.dtype != tensor.dtype:
                self.register_buffer(name, tensor.to(after.device))
        return self


class NF4Linear(QuantizedLinear):
    """4-bit NormalFloat in blocks of 64, their scales in 8 bits: 4.13 bits a weight (QLoRA; Dettmers et
    al., 2023, arXiv 2305.14314).
    """

    codes: Tensor
    scales: Tensor
    offset: Tensor
    code_values: Tensor
    scale_scales: Tensor
    scale_values: Tensor

    def _encode(self, weight: Tensor) -> None:
        codes, state = bnb.quantize_4bit(
            weight.contiguous(),
            blocksize=NF4_BLOCK,
            compress_statistics=True,
            quant_type="nf4",
        )
        for name, tensor in {
            "codes": codes,
            "scales": state.absmax,
            "offset": state.offset,
            "code_values": state.code,
            "scale_scales": state.state2.absmax,
            "scale_values": state.state2.code,
        }.items():
            self.register_buffer(name, tensor)

    def _decode(self, dtype: torch.dtype) -> Tensor:
        of_scales = bnb.QuantState(
            absmax=self.scale_scales,
            code=self.scale_values,
            blocksize=STATISTICS_BLOCK,
            dtype=torch.float32,
        )
        state = bnb.QuantState(
            absmax=self.scales,
            shape=torch.Size((self.out_features, self.in_features)),
            code=self.code_values,
            blocksize=NF4_BLOCK,
            quant_type="nf4",
            dtype=dtype,
            offset=self.offset,
            state2=of_scales,
        )
        weight: Tensor = bnb.dequantize_4bit(self.codes, state)
        return weight


class Int8Linear(QuantizedLinear):
    """8-bit whole numbers, one scale a row (as LLM.int8() keeps weights; Dettmers et al., 2022, arXiv
    2208.07339); inputs are not rounded.
    """

    codes: Tensor
    scales: Tensor

    def _encode(self, weight: Tensor) -> None:
        codes, scales, _ = bnb.int8_vectorwise_quant(weight.half().contiguous())
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)

    def _decode(self, dtype: torch.dtype) -> Tensor:
        weight: Tensor = bnb.int8_vectorwise_dequant(self.codes, self.scales).to(dtype)
        return weight


LAYERS: dict[Quantization, type[QuantizedLinear]] = {"int8": Int8Linear, "nf4": NF4Linear}


def quantize(module: nn.Module, quantization: Quantization) -> None:
    """Put a quantized layer in the place of each linear one, one by one: there is never more than one
    layer's copy beside the module. Convolutions, norms and embeddings stay as they are.

    Linear layers are all taken, those of the timestep too: on the pocket base, with ``nf4``, these are a
    sixth of the linear weights and a fortieth of the squared error that it makes in the U-Net's answer.
    """
    # Names alone: a list of the layers would keep every weight until the last is done.
    names = [name for name, layer in module.named_modules() if type(layer) is nn.Linear]
    for name in names:
        layer = module.get_submodule(name)
        module.set_submodule(name, LAYERS[quantization](cast("nn.Linear", layer)))


class _Product(torch.autograd.Function):
    """x W^T + b, for which the backward pass decodes the weight again: neither it nor x is kept."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, layer: QuantizedLinear) -> Tensor:
        ctx.layer, ctx.dtype = layer, inputs.dtype
        dtype = _compute_dtype(inputs)
        bias = None if layer.bias is None else layer.bias.to(dtype)
        return functional.linear(inputs.to(dtype), layer.weight_as(dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        weight = ctx.layer.weight_as(gradient.dtype)
        return (gradient @ weight).to(ctx.dtype), None


def _compute_dtype(inputs: Tensor) -> torch.dtype:
    kind = inputs.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else inputs.dtype
