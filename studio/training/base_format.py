"""``precision.base_dtype`` on this machine: what a base is loaded as to train on it, and after."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from studio.bases.number_format import NumberFormat
from studio.bases.quantization import Quantization
from studio.training.settings import PrecisionSettings

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
"""By the recipe's word; other words of its settings mean another thing."""
_QUANTIZED: dict[str, Quantization] = {"int8": "int8", "nf4": "nf4"}


def problems(precision: PrecisionSettings, device: torch.device) -> Iterator[str]:
    """What speaks against training in these formats on this machine; asked for before loading."""
    if precision.base_dtype == "fp16" and device.type == "cpu":
        yield (
            "precision.base_dtype: fp16 needs a GPU, for on a CPU its convolutions are a hundred times "
            "slower than fp32's; use bf16"
        )


def training_format(precision: PrecisionSettings, device: torch.device) -> NumberFormat:
    """What the frozen base is kept in.

    Beside quantized layers the rest is in bf16 on a GPU. On a CPU it is in fp32, which is faster there
    than bf16, and the rest is small.
    """
    if quantization := _QUANTIZED.get(precision.base_dtype):
        rest = torch.float32 if device.type == "cpu" else torch.bfloat16
        return NumberFormat(rest, quantization)
    return NumberFormat(HALVES.get(precision.base_dtype, torch.float32))


def clean_format(precision: PrecisionSettings, device: torch.device) -> NumberFormat:
    """What the base is loaded in after training, for export, preview and evaluation: fp32 where there is
    the memory for it, and in half on a GPU where the recipe says that there is little.
    """
    if device.type == "cpu" or precision.base_dtype == "fp32":
        return NumberFormat()
    return NumberFormat(HALVES.get(precision.base_dtype, torch.bfloat16))
