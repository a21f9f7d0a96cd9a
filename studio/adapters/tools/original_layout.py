"""Every parameter of a live base by its place in a single file of the original layout.

Counted anew from the live modules, as the original code builds its own (CompVis' latent-diffusion, for
SDXL Stability's generative-models): blocks are numbered through, a level's sampler is a block or a member
of its own, and open_clip keeps queries, keys and values in one matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from studio.bases.base_model import BaseModel

Layout = dict[str, tuple[str, ...]]
"""By the file's key: the neutral names of the parameters that make it up; three, in rows, or one."""

_ROOTS = {
    ("sd1", "text_encoder"): "cond_stage_model.transformer.text_model.",
    ("sd2", "text_encoder"): "cond_stage_model.model.",
    ("sdxl", "text_encoder"): "conditioner.embedders.0.transformer.text_model.",
    ("sdxl", "text_encoder_2"): "conditioner.embedders.1.model.",
}
_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_OPEN_CLIP_OUTSIDE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
}
_Places = Iterator[tuple[str, str]]  # from a live module's path to the original's


def layout_of(base: BaseModel) -> Layout:
    """The places of all parameters of U-Net, VAE and text encoders."""
    unet = _placed(base.unet, _unet(base.unet))
    layout: Layout = {
        f"model.diffusion_model.{key}": (f"unet.{name}",) for name, key in unet.items()
    }
    vae = _placed(base.vae, _vae(base.vae))
    layout |= {f"first_stage_model.{key}": (f"vae.{name}",) for name, key in vae.items()}
    for part, encoder in base.named_text_encoders.items():
        root = _ROOTS[base.family, part]
        names = [name.removeprefix("text_model.") for name, _ in encoder.named_parameters()]
        keyed = _open_clip(names) if root.endswith(".model.") else {name: (name,) for name in names}
        layout |= {root + k: tuple(f"{part}.{n}" for n in own) for k, own in keyed.items()}
    return layout


def _placed(module: nn.Module, places: _Places) -> dict[str, str]:
    """Each parameter's key: the place of the longest path that its name begins with."""
    known = dict(places)
    keys: dict[str, str] = {}
    for name, _ in module.named_parameters():
        steps = name.split(".")
        paths = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
        path = next((path for path in paths if path in known), None)
        keys[name] = name if path is None else known[path] + name.removeprefix(path)
    return keys


def _unet(unet: Any) -> _Places:
    yield from _UNET_OUTSIDE.items()
    number = 1  # conv_in is block 0
    for level, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            yield from _layer(f"down_blocks.{level}", block, layer, f"input_blocks.{number}")
            number += 1
        if block.downsamplers:
            yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
            number += 1
    yield from _resnet("mid_block.resnets.0", "middle_block.0", _UNET_RESNET)
    yield "mid_block.attentions.0", "middle_block.1"
    yield from _resnet("mid_block.resnets.1", "middle_block.2", _UNET_RESNET)
    number = 0
    for level, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            yield from _layer(f"up_blocks.{level}", block, layer, f"output_blocks.{number}")
            number += 1
        if block.upsamplers:
            member = 2 if _has_attention(block) else 1
            sampler = f"output_blocks.{number - 1}.{member}.conv"
            yield f"up_blocks.{level}.upsamplers.0.conv", sampler


def _layer(path: str, block: Any, layer: int, original: str) -> _Places:
    yield from _resnet(f"{path}.resnets.{layer}", f"{original}.0", _UNET_RESNET)
    if _has_attention(block):
        yield f"{path}.attentions.{layer}", f"{original}.1"


def _has_attention(block: Any) -> bool:
    return bool(getattr(block, "attentions", None))


def _resnet(path: str, original: str, members: Mapping[str, str]) -> _Places:
    for own, other in members.items():
        yield f"{path}.{own}", f"{original}.{other}"


def _vae(vae: Any) -> _Places:
    levels = len(vae.decoder.up_blocks)
    shortcut = {"conv_shortcut": "nin_shortcut"}
    for side, own, ways in (("encoder", "down", range(levels)), ("decoder", "up", range(levels))):
        for level in ways:
            # The decoder's levels are counted from the picture's side.
            other = level if side == "encoder" else levels - 1 - level
            path, original = f"{side}.{own}_blocks.{level}", f"{side}.{own}.{other}"
            block = vae.get_submodule(path)
            for layer in range(len(block.resnets)):
                yield f"{path}.resnets.{layer}", f"{original}.block.{layer}"
                yield from _resnet(f"{path}.resnets.{layer}", f"{original}.block.{layer}", shortcut)
            yield f"{path}.{own}samplers.0", f"{original}.{own}sample"
        yield f"{side}.mid_block.resnets.0", f"{side}.mid.block_1"
        yield f"{side}.mid_block.resnets.1", f"{side}.mid.block_2"
        attention = f"{side}.mid_block.attentions.0", f"{side}.mid.attn_1"
        yield from _resnet(*attention, _VAE_ATTENTION)
        yield f"{side}.conv_norm_out", f"{side}.norm_out"


def _open_clip(names: list[str]) -> Layout:
    keys: Layout = {}
    for name in names:
        if name in _OPEN_CLIP_OUTSIDE:
            keys[_OPEN_CLIP_OUTSIDE[name]] = (name,)
            continue
        _, _, number, rest = name.split(".", 3)  # encoder.layers.N.…
        member, _, kind = rest.rpartition(".")
        layer = f"transformer.resblocks.{number}"
        if member in _OPEN_CLIP_LAYER:
            keys[f"{layer}.{_OPEN_CLIP_LAYER[member]}.{kind}"] = (name,)
        else:
            rows = tuple(f"encoder.layers.{number}.self_attn.{p}_proj.{kind}" for p in "qkv")
            keys[f"{layer}.attn.in_proj_{kind}"] = rows
    return keys
