"""The blocks that people speak of: where in the base an adapter's layer stands. No torch."""

from __future__ import annotations

import re

_LEVELS = re.compile(r"(down|up)_blocks\.(\d+)\.")


def block_of(path: str) -> str:
    """The block of a layer's neutral path.

    ``unet.down.0`` … ``unet.down.3``, ``unet.mid``, ``unet.up.0`` … ``unet.up.3``, ``unet.outside``
    for its first and last layers and what time passes through; a text encoder is one block by its
    name, ``text_encoder`` or ``text_encoder_2``.
    """
    part, _, module = path.partition(".")
    if part != "unet":
        return part
    if module.startswith("mid_block."):
        return "unet.mid"
    level = _LEVELS.match(module)
    return f"unet.{level[1]}.{level[2]}" if level else "unet.outside"
