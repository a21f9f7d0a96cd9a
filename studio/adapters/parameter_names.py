"""Which of a checkpoint's tensors holds which weight of the live model, by names alone."""

from __future__ import annotations

from studio.adapters.names import flat, nested
from studio.adapters.original_names import (
    CLIP,
    OPEN_CLIP,
    QKV,
    UNET,
    VIT_H_LAYERS,
    clip_name,
    diffusers_unet_name,
    open_clip_name,
    original_unet_name,
)
from studio.bases.families import Family

# The live model of SD 2.x ends one layer earlier.
_LEFT_OUT = (f"encoder.layers.{VIT_H_LAYERS - 1}.", "text_projection.")
# Tables of numbers and CLIP's temperature, which some files have and no part of a model here.
_NO_WEIGHTS = ("position_ids", "logit_scale")


def names_in_original(key: str, family: Family) -> tuple[str, ...]:
    """The neutral names of the weights in one tensor of a single file; three where q, k and v are
    joined, none where it is of no part that adapters change.
    """
    if key.endswith(_NO_WEIGHTS):
        return ()
    if key.startswith(UNET):
        return (f"unet.{diffusers_unet_name(key.removeprefix(UNET), family)}",)
    for (of, part), prefix in (CLIP | OPEN_CLIP).items():
        if of != family or not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        if (family, part) in CLIP:
            return (f"{part}.{name}",)
        return tuple(f"{part}.{inner}" for inner in _from_open_clip(name, family))
    return ()


def key_in_original(name: str, family: Family) -> tuple[str, int | None]:
    """The way back: the tensor that holds a weight, and which third of its rows, if not all."""
    part, _, inner = name.partition(".")
    if part == "unet":
        return UNET + original_unet_name(inner, family), None
    if (family, part) in CLIP:
        return CLIP[family, part] + inner, None
    prefix = OPEN_CLIP[family, part]
    for third, projection in enumerate(QKV):
        attention, found, kind = inner.partition(f"{projection}.")
        if found:
            return f"{prefix}{open_clip_name(attention)}in_proj_{kind}", third
    return prefix + open_clip_name(inner), None


def name_in_folder(part: str, key: str) -> str:
    """The neutral name of a tensor in a diffusers folder's weight file."""
    return flat(f"{part}.{key}")


def keys_in_folder(name: str) -> tuple[str, str]:
    """What a weight may be called in its part's file: nested in ``text_model.`` or, of late, not."""
    return nested(name).partition(".")[2], name.partition(".")[2]


def _from_open_clip(name: str, family: Family) -> tuple[str, ...]:
    attention, joined, kind = name.partition("in_proj_")
    if joined:
        names = tuple(f"{clip_name(attention)}{part}.{kind}" for part in QKV)
    elif name == "text_projection":
        names = ("text_projection.weight",)
    else:
        names = (clip_name(name),)
    return () if family == "sd2" and names[0].startswith(_LEFT_OUT) else names
