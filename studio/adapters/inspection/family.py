"""The base's family told from an adapter's tensors, where nothing else tells it. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import methodcaller

from studio.adapters.inspection.names import (
    HYPERNETWORK,
    NamedLayers,
    Shapes,
    any_starts,
    size_of,
)

TEXT_WIDTHS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""By the width of the text that cross-attention reads."""

# Kohya calls SDXL's text encoders te1 and te2, and only SDXL's blocks by the names of their authors.
_SDXL_STARTS = (
    *("lora_te1_", "lora_te2_", "text_encoder_2.", "conditioner.embedders."),
    *("lora_unet_input_blocks_", "lora_unet_middle_block_", "lora_unet_output_blocks_"),
)
_CHECKPOINT_STARTS = {
    "cond_stage_model.transformer.": "sd1",
    "cond_stage_model.model.": "sd2",
}
# A1111 offered 1024 for a hypernetwork on every base, so 768 beside it decides.
_CONTEXT_ORDER = (2048, 768, 1024)
_CROSS_ATTENTION = re.compile(r".*attn2[._]to_[kv]")
_TEXT_ATTENTION = re.compile(r"(?:lora_te_|text_encoder\.).*self_attn[._][qkv]_proj")


def family_of(shapes: Shapes, layers: NamedLayers) -> str:
    """``sd1``, ``sd2`` or ``sdxl`` by tensors' names and shapes; empty where they leave it open.

    Text encoders and the names of blocks speak first, then the width of the text that cross-attention
    reads, then that of the text encoder.

    Args:
        layers: `layers_in` those names.
    """
    has_second_word = "clip_g" in shapes or any(map(methodcaller("endswith", ".clip_g"), shapes))
    if has_second_word or any_starts(shapes, _SDXL_STARTS):
        return "sdxl"
    for start, family in _CHECKPOINT_STARTS.items():
        if any_starts(shapes, start):
            return family
    return next((TEXT_WIDTHS[w] for w in _widths(shapes, layers) if w in TEXT_WIDTHS), "")


def _widths(shapes: Shapes, layers: NamedLayers) -> Iterator[int]:
    """Widths that may tell the family, those to be believed first."""
    contexts = {int(found[1]) for found in map(HYPERNETWORK.fullmatch, shapes) if found}
    yield from (width for width in _CONTEXT_ORDER if width in contexts)
    for naming in (_CROSS_ATTENTION, _TEXT_ATTENTION):
        yield from _layer_inputs(shapes, layers, naming)
        yield from _weight_inputs(shapes, naming)
    for name, shape in shapes.items():
        is_word = "." not in name or name.startswith(("string_to_param.", "bundle_emb."))
        if is_word and shape:
            yield shape[-1]


def _layer_inputs(shapes: Shapes, layers: NamedLayers, naming: re.Pattern[str]) -> Iterator[int]:
    """Of the weights that layers so called change."""
    for name, keys in layers.items():
        if naming.fullmatch(name):
            size = size_of({part: shapes[key] for part, key in keys.items()})
            if len(size) == 2:
                yield size[1]


def _weight_inputs(shapes: Shapes, naming: re.Pattern[str]) -> Iterator[int]:
    """Of whole weights so called."""
    for name, shape in shapes.items():
        if len(shape) == 2 and naming.fullmatch(name.removesuffix(".weight")):
            yield shape[1]
