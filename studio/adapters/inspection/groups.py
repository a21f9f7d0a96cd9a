"""An adapter's tensors sorted into what they change: layers, words, networks, whole weights. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from studio.adapters.blocks import block_of
from studio.adapters.inspection.names import (
    BUNDLED,
    HYPERNETWORK,
    UNET,
    layers_in,
    variant_of,
)
from studio.adapters.names import PARTS, flat, neutral_path
from studio.adapters.original_names import CLIP, OPEN_CLIP, VAE, clip_name, diffusers_unet_name
from studio.bases.families import Family

OTHER = "other"
"""The part and the block of layers whose names are none of Stable Diffusion's."""
WORD, NETWORK, WEIGHT = "word", "network", "weight"
_WORD_PARTS = {"clip_g": "text_encoder_2"}
_UNET_ROOTS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_", "time_", "add_embedding.")
_PART_ORDER = [*PARTS, "vae", OTHER]
_FAMILIES = {family for family, _ in CLIP | OPEN_CLIP}
_PEFT_START = "base_model.model."


@dataclass(frozen=True)
class Group:
    """The tensors that change one thing.

    Attributes:
        path: the layer's neutral path, or the name that the file has for it.
        block: where in the base it stands; see `studio.adapters.blocks`.
        part: ``unet``, ``text_encoder``, ``text_encoder_2``, ``vae`` or ``other``.
        variant: of a LoRA's relatives, or ``word``, ``network`` (a hypernetwork's), ``weight``.
        keys: the tensors' names in the file by what they are to the layer.
    """

    path: str
    block: str
    part: str
    variant: str
    keys: Mapping[str, str]


def groups_of(kind: str, names: Iterable[str], family: str, word: str) -> list[Group]:
    """All groups of a file, in the order of the base's parts and paths.

    Args:
        kind: see `studio.adapters.inspection.names.naming_of`.
        word: what a textual inversion is called, where its tensors do not say it.
    """
    names = list(names)
    if kind == "hypernetwork":
        return list(_networks(names))
    if kind == "full":
        return sorted(_weights(names, family), key=_place)
    words = [_word(n, word) for n in names if kind == "textual_inversion" or n.startswith(BUNDLED)]
    return sorted(_layers(names), key=_place) + words


def _layers(names: list[str]) -> Iterator[Group]:
    for name, keys in layers_in(names).items():
        path = layer_path(name)
        part = path.partition(".")[0] if path else OTHER
        block = block_of(path) if path else OTHER
        yield Group(path or name, block, part, variant_of(keys), keys)


def layer_path(name: str) -> str | None:
    """The neutral path of a layer by its name in a file; None where it is none of Stable Diffusion."""
    part, _, module = name.partition(".")
    if part in PARTS and module:
        return flat(name)
    if name.startswith(_PEFT_START):
        module = name.removeprefix(_PEFT_START)
        if module.startswith(_UNET_ROOTS):
            return f"unet.{module}"
        return flat(f"text_encoder.{module}") if ".layers." in module else None
    return neutral_path(name) if "." not in name else None


def _word(name: str, word: str) -> Group:
    """A word's vectors: under their own name, in a bundle's, or in the one word's that a file holds."""
    key = name
    if name.startswith(BUNDLED):
        word, _, key = name.removeprefix(BUNDLED).partition(".")
    elif name not in ("emb_params", "string_to_param.*", "clip_l", "clip_g"):
        word = name
    part = _WORD_PARTS.get(key, "text_encoder")
    return Group(f"{part}.{word}", f"{part} words", part, WORD, {key: name})


def _networks(names: list[str]) -> Iterator[Group]:
    found: dict[tuple[int, int], dict[str, str]] = {}
    for name in names:
        match = HYPERNETWORK.fullmatch(name)
        if match:
            found.setdefault((int(match[1]), int(match[2])), {})[match[3]] = name
    for (width, side), keys in sorted(found.items()):
        path = f"{width}.{('keys', 'values')[side]}"
        yield Group(path, f"unet context {width}", "unet", NETWORK, keys)


def _weights(names: list[str], family: str) -> Iterator[Group]:
    for name in names:
        path = flat(_weight_path(name, family))
        part = path.partition(".")[0]
        if part in _PART_ORDER:
            yield Group(path, block_of(path), part, WEIGHT, {"": name})
        else:
            yield Group(name, OTHER, OTHER, WEIGHT, {"": name})


def _weight_path(name: str, family: str) -> str:
    """The neutral name of a weight in the original naming; a diffusers folder's stay as they are."""
    known = cast("Family", family)
    if name.startswith(UNET):
        own = name.removeprefix(UNET)
        return f"unet.{diffusers_unet_name(own, known) if family in _FAMILIES else own}"
    if name.startswith(VAE):
        return f"vae.{name.removeprefix(VAE)}"
    for (of, part), start in (CLIP | OPEN_CLIP).items():
        if of == family and name.startswith(start):
            return f"{part}.{clip_name(name.removeprefix(start))}"
    return name


def _place(group: Group) -> tuple[int, int, list[str]]:
    """By part, then by the block's place on the way through the U-Net, then by path, its numbers as
    numbers.
    """
    stages = ["unet.down", "unet.mid", "unet.up"]
    stage = next((n for n, start in enumerate(stages) if group.block.startswith(start)), 3)
    pieces = re.split(r"(\d+)", group.path)
    named = [piece.zfill(9) if piece.isdigit() else piece for piece in pieces]
    return _PART_ORDER.index(group.part), stage, named
