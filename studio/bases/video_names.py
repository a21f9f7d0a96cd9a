"""Stable Video Diffusion's weights in the original naming: diffusers has no converter for them.

The U-Net is SD 2.x's with a second block beside each, over time; ``time_mixer`` weighs the two. The
picture is read by open_clip's ViT-H, whose queries, keys and values are one matrix. Names as in Stability
AI's generative-models, ``sgm/modules/diffusionmodules/video_model.py`` and its autoencoder's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

UNET, VAE = "model.diffusion_model.", "first_stage_model."
VISION = "conditioner.embedders.0.open_clip.model.visual."
LAYERS_PER_BLOCK = 2
_QKV = {"q_proj": 0, "k_proj": 1, "v_proj": 2}
_OUTSIDE = {
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
}
_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
_OVER_TIME = {
    "temporal_transformer_blocks.": "time_stack.",
    "time_pos_embed.linear_1.": "time_pos_embed.0.",
    "time_pos_embed.linear_2.": "time_pos_embed.2.",
}
_VAE = (
    (r"^decoder\.time_conv_out\.", "decoder.conv_out.time_mix_conv."),
    (r"conv_norm_out\.", "norm_out."),
    (r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_", "mid.attn_1."),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda found: f"up.{3 - int(found[1])}.block.{found[2]}"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample"),
    (r"\.spatial_res_block\.", "."),
    (r"conv_shortcut\.", "nin_shortcut."),
    (r"time_mixer\.mix_factor", "mix_factor"),
)
_VISION = (
    ("vision_model.embeddings.class_embedding", "class_embedding"),
    ("vision_model.embeddings.patch_embedding.", "conv1."),
    ("vision_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("vision_model.pre_layrnorm.", "ln_pre."),
    ("vision_model.post_layernorm.", "ln_post."),
    ("vision_model.encoder.layers.", "transformer.resblocks."),
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    ("self_attn.", "attn."),
)


def video_weight(part: str, name: str, checkpoint: Mapping[str, Tensor]) -> Tensor:
    """A part's weight out of the checkpoint, by its name in diffusers or transformers.

    Args:
        part: ``unet``, ``vae`` or ``image_encoder``.

    Raises:
        KeyError: the checkpoint lacks it; with its original name.
    """
    return _READERS[part](name, checkpoint)


def original_unet_name(name: str) -> str:
    """``down_blocks.0.resnets.0.temporal_res_block.norm1.weight`` to
    ``input_blocks.1.0.time_stack.in_layers.0.weight``.
    """
    for ours, original in _OUTSIDE.items():
        if name.startswith(ours):
            return original + name.removeprefix(ours)
    name = re.sub(r"^mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}", name)
    name = name.replace("mid_block.attentions.0", "middle_block.1")
    name = name.replace(".downsamplers.0.conv.", ".downsamplers.0.op.")
    name = re.sub(r"^(down|up)_blocks\.(\d)\.(\w+)\.(\d)", _block, name)
    block, over_space, inner = name.partition(".spatial_res_block.")
    if over_space:
        return f"{block}.{_replaced(inner, _RESNET)}"
    block, over_time, inner = name.partition(".temporal_res_block.")
    if over_time:
        return f"{block}.time_stack.{_replaced(inner, _RESNET)}"
    for ours, original in _OVER_TIME.items():
        name = name.replace(f".{ours}", f".{original}")
    return name


def original_vae_name(name: str) -> str:
    """``decoder.up_blocks.0.resnets.0.temporal_res_block.conv1.weight`` to
    ``decoder.up.3.block.0.time_stack.in_layers.2.weight``.
    """
    for pattern, original in _VAE:
        name = re.sub(pattern, original, name)
    block, over_time, inner = name.partition(".temporal_res_block.")
    return f"{block}.time_stack.{_replaced(inner, _RESNET)}" if over_time else name


def original_vision_name(name: str) -> str:
    """``vision_model.encoder.layers.0.mlp.fc1.bias`` to ``transformer.resblocks.0.mlp.c_fc.bias``."""
    for ours, original in _VISION:
        name = name.replace(ours, original)
    return name


def _block(found: re.Match[str]) -> str:
    """A module of the U-Net's levels; the original counts them through from input to output."""
    side, level, kind, layer = found[1], int(found[2]), found[3], int(found[4])
    if side == "down":
        first = 1 + level * (LAYERS_PER_BLOCK + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + LAYERS_PER_BLOCK}.0"
        return f"input_blocks.{first + layer}.{int(kind == 'attentions')}"
    first = level * (LAYERS_PER_BLOCK + 1)
    if kind == "upsamplers":
        # The last module of the level's last layer; the innermost level has no attention before it.
        return f"output_blocks.{first + LAYERS_PER_BLOCK}.{1 if level == 0 else 2}"
    return f"output_blocks.{first + layer}.{int(kind == 'attentions')}"


def _replaced(name: str, prefixes: Mapping[str, str]) -> str:
    found = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
    return prefixes.get(found, "") + name.removeprefix(found)


def _of_unet(name: str, checkpoint: Mapping[str, Tensor]) -> Tensor:
    return checkpoint[UNET + original_unet_name(name)]


def _of_vae(name: str, checkpoint: Mapping[str, Tensor]) -> Tensor:
    """Attention's linear layers are convolutions of one pixel in the file."""
    tensor = checkpoint[VAE + original_vae_name(name)]
    is_linear = ".attentions." in name and name.endswith(".weight") and tensor.ndim == 4
    return tensor[:, :, 0, 0] if is_linear else tensor


def _of_vision(name: str, checkpoint: Mapping[str, Tensor]) -> Tensor:
    if name == "visual_projection.weight":
        return checkpoint[f"{VISION}proj"].T
    projection = next((p for p in _QKV if f".{p}." in name), None)
    if projection is None:
        return checkpoint[VISION + original_vision_name(name)]
    joined = original_vision_name(name).replace(f"{projection}.", "in_proj_")
    return torch.chunk(checkpoint[VISION + joined], 3)[_QKV[projection]]


_READERS: Mapping[str, Callable[[str, Mapping[str, Tensor]], Tensor]] = {
    "unet": _of_unet,
    "vae": _of_vae,
    "image_encoder": _of_vision,
}
