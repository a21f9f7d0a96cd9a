"""SDXL's U-Net layers by sgm's names, counted from a live U-Net rather than looked up in a table."""

from __future__ import annotations

from typing import Any

INNER = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)


def sgm_layer_names(unet: Any) -> dict[str, str]:
    """By the name of each module of ``unet`` that sgm calls otherwise, that other name."""
    modules = _members(unet)
    names: dict[str, str] = {}
    for name, _ in unet.named_modules():
        block = next((b for b in modules if name == b or name.startswith(f"{b}.")), None)
        if block is not None:
            rest = name[len(block) :]
            if ".resnets." in f".{block}":
                rest = "." + dict(INNER).get(rest[1:], rest[1:])
            names[name] = modules[block] + rest
    return names


def _members(unet: Any) -> dict[str, str]:
    """Resnets, attentions and samplers: sgm numbers the blocks as the picture goes through them."""
    found = {
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    count = 1
    for level, block in enumerate(unet.down_blocks):
        for number in range(len(block.resnets)):
            found |= _block(f"down_blocks.{level}", number, f"input_blocks.{count}")
            count += 1
        if block.downsamplers is not None:
            found[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{count}.0.op"
            count += 1
    count = 0
    for level, block in enumerate(unet.up_blocks):
        for number in range(len(block.resnets)):
            found |= _block(f"up_blocks.{level}", number, f"output_blocks.{count}")
            count += 1
        if block.upsamplers is not None:
            place = 2 if hasattr(block, "attentions") else 1
            upsampler = f"output_blocks.{count - 1}.{place}.conv"
            found[f"up_blocks.{level}.upsamplers.0.conv"] = upsampler
    return found


def _block(block: str, number: int, sgm: str) -> dict[str, str]:
    return {f"{block}.resnets.{number}": f"{sgm}.0", f"{block}.attentions.{number}": f"{sgm}.1"}
