"""LyCORIS' diag-oft as a live layer: the output of a linear or convolution layer turns block by block.

peft turns inputs only, and what the webuis and ComfyUI read of OFT turns outputs. Qiu et al., 2023, arXiv
2306.07280, for the idea; the arithmetic is `studio.adapters.layer_change.output_turned`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn import functional

from studio.adapters.layer_change import output_turned


class OutputRotation(nn.Module, BaseTunerLayer):
    """A layer whose weight is rotated; an identity at first.

    The weight is turned and not the output: a layer's rows are fewer than what goes through it.

    Args:
        base_layer: linear or convolution.
        side: of the blocks; taken to the nearest that divides the layer's outputs.
    """

    def __init__(self, base_layer: nn.Linear | nn.Conv2d, side: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        rows = len(base_layer.weight)
        side = nearest_divisor(rows, side)
        blocks = torch.zeros(rows // side, side, side, device=base_layer.weight.device)
        self.oft_blocks = nn.Parameter(blocks)

    def forward(self, inputs: Tensor) -> Tensor:
        layer = self.base_layer
        weight = output_turned(layer.weight.float(), self.oft_blocks).to(layer.weight.dtype)
        if isinstance(layer, nn.Conv2d):
            return functional.conv2d(
                inputs,
                weight,
                layer.bias,
                layer.stride,
                layer.padding,
                layer.dilation,
                layer.groups,
            )
        return functional.linear(inputs, weight, layer.bias)


def put_rotations(model: nn.Module, names: Sequence[str], side: int) -> None:
    """Put an `OutputRotation` around each layer so called."""
    for name in names:
        layer = cast("nn.Linear | nn.Conv2d", model.get_submodule(name))
        model.set_submodule(name, OutputRotation(layer, side))


def nearest_divisor(number: int, wanted: int) -> int:
    """The divisor of ``number`` that is nearest to ``wanted``, the smaller of two."""
    divisors = (d for d in range(1, number + 1) if number % d == 0)
    return min(divisors, key=lambda divisor: (abs(divisor - wanted), divisor))
