"""A live base's layers by the names of the original code, which the webuis and ComfyUI run."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from studio.adapters.original_names import open_clip_name, original_unet_name
from studio.adapters.readback import live_layers
from studio.bases.base_model import BaseModel
from studio.bases.families import Family

OPEN_CLIP_PARTS: dict[Family, tuple[str, ...]] = {
    "sd2": ("text_encoder",),
    "sdxl": ("text_encoder_2",),
}


def named_layers(base: BaseModel) -> Iterator[tuple[str, str, Tensor]]:
    """Part, path within the part without ``text_model.``, and weight of every layer."""
    for part, name, weight in live_layers(base):
        yield part, name.removeprefix("text_model."), weight


def original_name(part: str, path: str, family: Family) -> str:
    """``down_blocks.0.….to_q`` of the U-Net to ``input_blocks.1.1.….to_q``; of open_clip's encoders
    ``encoder.layers.0.mlp.fc1`` to ``transformer.resblocks.0.mlp.c_fc``; others unchanged.
    """
    if part == "unet":
        return original_unet_name(f"{path}.", family).removesuffix(".")
    return open_clip_name(path) if part in OPEN_CLIP_PARTS.get(family, ()) else path
