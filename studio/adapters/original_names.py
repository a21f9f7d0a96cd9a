"""The original naming of Stable Diffusion's weights, as single-file checkpoints have it.

``model.diffusion_model.…`` is the U-Net, its blocks counted through from input to output;
``first_stage_model.…`` the VAE; ``cond_stage_model.…`` (SDXL: ``conditioner.embedders.…``) the text
encoders, of which SD 2.x's and SDXL's second are open_clip's, with names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from studio.bases.families import Family

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP: dict[tuple[Family, str], str] = {
    ("sd1", "text_encoder"): "cond_stage_model.transformer.text_model.",
    ("sdxl", "text_encoder"): "conditioner.embedders.0.transformer.text_model.",
}
OPEN_CLIP: dict[tuple[Family, str], str] = {
    ("sd2", "text_encoder"): "cond_stage_model.model.",
    ("sdxl", "text_encoder_2"): "conditioner.embedders.1.model.",
}
QKV = ("q_proj", "k_proj", "v_proj")
"""In the order in which open_clip joins their rows into one matrix."""
VIT_H_LAYERS = 24
"""Of open_clip's ViT-H, which SD 2.x reads at its last layer but one; diffusers leaves the last out."""
LAYERS_PER_BLOCK = 2
# Per level from the outermost: whether it has attention.
_ATTENTION: dict[Family, tuple[bool, ...]] = {
    "sd1": (True, True, True, False),
    "sd2": (True, True, True, False),
    "sdxl": (False, True, True),
}
_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
_OUTSIDE = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP = (
    ("encoder.layers.", "transformer.resblocks."),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("self_attn", "attn"),
    ("final_layer_norm", "ln_final"),
    ("embeddings.token_embedding.weight", "token_embedding.weight"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("text_projection.weight", "text_projection"),
)


def has_original_names(family: Family) -> bool:
    """Whether a family's U-Net is known here by the original code's names."""
    return family in _ATTENTION


@cache
def unet_prefixes(family: Family) -> dict[str, str]:
    """From the beginning of a U-Net parameter's diffusers name to the original's; one fits each."""
    return dict([*_OUTSIDE.items(), *_down(family), *_middle(), *_up(family)])


def original_unet_name(name: str, family: Family) -> str:
    """``down_blocks.0.resnets.0.norm1.weight`` to ``input_blocks.1.0.in_layers.0.weight``."""
    return _with_other_beginning(name, unet_prefixes(family))


def diffusers_unet_name(name: str, family: Family) -> str:
    """The way back from `original_unet_name`."""
    return _with_other_beginning(name, {new: old for old, new in unet_prefixes(family).items()})


def original_vae_name(name: str, levels: int) -> str:
    """``decoder.up_blocks.0.resnets.0.conv1.weight`` to ``decoder.up.3.block.0.conv1.weight``.

    Args:
        levels: of the VAE; its decoder's are counted from the other end.
    """
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"down_blocks\.(\d)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(r"resnets\.(\d)", r"block.\1", name)
    name = re.sub(r"(down|up)samplers\.0", r"\1sample", name)
    attention, _, inner = name.partition("mid_block.attentions.0.")
    if not inner:
        return name
    layer, _, kind = inner.rpartition(".")
    return f"{attention}mid.attn_1.{_VAE_ATTENTION[layer]}.{kind}"


def open_clip_name(name: str) -> str:
    """A text encoder's parameter in open_clip's naming, the joined q, k and v excepted."""
    for ours, theirs in _OPEN_CLIP:
        name = name.replace(ours, theirs)
    return name


def clip_name(name: str) -> str:
    """The way back from `open_clip_name`."""
    for ours, theirs in reversed(_OPEN_CLIP):
        name = name.replace(theirs, ours)
    return name


def _with_other_beginning(name: str, prefixes: dict[str, str]) -> str:
    old = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
    return name if old is None else prefixes[old] + name.removeprefix(old)


def _down(family: Family) -> Iterator[tuple[str, str]]:
    attention = _ATTENTION[family]
    for level, has_attention in enumerate(attention):
        first = 1 + level * (LAYERS_PER_BLOCK + 1)
        for layer in range(LAYERS_PER_BLOCK):
            here = f"input_blocks.{first + layer}"
            yield from _resnet(f"down_blocks.{level}.resnets.{layer}", f"{here}.0")
            if has_attention:
                yield f"down_blocks.{level}.attentions.{layer}.", f"{here}.1."
        if level < len(attention) - 1:
            sampler = f"input_blocks.{first + LAYERS_PER_BLOCK}.0.op."
            yield f"down_blocks.{level}.downsamplers.0.conv.", sampler


def _middle() -> Iterator[tuple[str, str]]:
    yield from _resnet("mid_block.resnets.0", "middle_block.0")
    yield "mid_block.attentions.0.", "middle_block.1."
    yield from _resnet("mid_block.resnets.1", "middle_block.2")


def _up(family: Family) -> Iterator[tuple[str, str]]:
    attention = _ATTENTION[family][::-1]
    for level, has_attention in enumerate(attention):
        first = level * (LAYERS_PER_BLOCK + 1)
        for layer in range(LAYERS_PER_BLOCK + 1):
            here = f"output_blocks.{first + layer}"
            yield from _resnet(f"up_blocks.{level}.resnets.{layer}", f"{here}.0")
            if has_attention:
                yield f"up_blocks.{level}.attentions.{layer}.", f"{here}.1."
        if level < len(attention) - 1:
            # The last module of the block's last layer.
            sampler = f"output_blocks.{first + LAYERS_PER_BLOCK}.{1 + has_attention}.conv."
            yield f"up_blocks.{level}.upsamplers.0.conv.", sampler


def _resnet(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for own, original in _RESNET.items():
        yield f"{ours}.{own}", f"{theirs}.{original}"
