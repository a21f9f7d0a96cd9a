"""What kind of layer stands at a path, where an adapter's tensors alone do not tell.

A LoHa's or LoKr's change of a convolution is flat, (out, in * k * k); a LoRA of it needs to know k.
"""

from __future__ import annotations

import re

from torch import Tensor

from studio.adapters.layer_change import Parts, added

_THREE_BY_THREE = re.compile(
    r"unet\.(?:conv_in|conv_out|.*\.(?:resnets\.\d+\.conv[12]|(?:down|up)samplers\.0\.conv))"
)
_ONE_BY_ONE = re.compile(r"unet\..*\.conv_shortcut")
# Linear from SD 2.x on.
_AROUND_ATTENTION = re.compile(r"unet\..*\.attentions\.\d+\.proj_(?:in|out)")


def kernel_of(path: str, family: str) -> tuple[int, ...]:
    """A convolution's kernel, ``(3, 3)`` or ``(1, 1)``; empty for a linear layer."""
    if _THREE_BY_THREE.fullmatch(path):
        return (3, 3)
    if _ONE_BY_ONE.fullmatch(path) or (family == "sd1" and _AROUND_ATTENTION.fullmatch(path)):
        return (1, 1)
    return ()


def whole_change(path: str, parts: Parts, family: str) -> Tensor:
    """What a LoRA, LoHa or LoKr adds to a layer's weight, with that weight's dimensions, fp32."""
    change = added(parts).flatten(1)
    return change.reshape(len(change), -1, *kernel_of(path, family))
