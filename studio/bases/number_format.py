"""What numbers the parts of a base model are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from studio.bases.quantization import LAYERS, Quantization, quantize


@dataclass(frozen=True)
class NumberFormat:
    """One for everything but the VAE, which is always in fp32: SDXL's overflows in fp16, it works only at
    the beginning and the end of things, and it is a small part of the whole.

    Attributes:
        dtype: of all weights, or of those that are not quantized.
        quantization: of the linear layers.
    """

    dtype: torch.dtype = torch.float32
    quantization: Quantization | None = None

    def reading(self, part: str) -> torch.dtype:
        """The number format to read a part's files in, by its name."""
        if part == "vae":
            return torch.float32
        # What is about to be rounded anyway is read in half: most models are published so.
        return self.dtype if self.quantization is None else torch.float16

    def finish(self, part: str, module: Any) -> None:
        """Bring a part that was read into its final form."""
        if part == "vae":
            if self.dtype != torch.float32:
                read_any_format(module)
        elif self.quantization is not None:
            quantize(module, self.quantization)
            module.to(self.dtype)


def number_format_of(module: nn.Module) -> str:
    """What a part is kept in, in words: ``bfloat16``, ``nf4 and bfloat16``; for keys of caches."""
    kinds = {name for name, kind in LAYERS.items() for m in module.modules() if type(m) is kind}
    rest = next(p.dtype for p in module.parameters() if p.is_floating_point())
    return " and ".join([*sorted(kinds), str(rest).removeprefix("torch.")])


def read_any_format(vae: nn.Module) -> None:
    """Let a VAE take pictures and latents in other number formats than its own.

    diffusers' pipelines hand it the U-Net's, and only SDXL's expects that the two differ.
    """
    first_layers = ("encoder.conv_in", "post_quant_conv", "decoder.conv_in")
    for name, layer in vae.named_modules():
        if name in first_layers:
            layer.register_forward_pre_hook(_in_own_format)


def _in_own_format(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    weight: Any = layer.weight
    values, *rest = inputs
    return (values.to(weight.dtype), *rest)
