"""SDXL's U-Net by the names that its authors gave its blocks (sgm), and by diffusers' names.

Adapter files for SDXL use the first, for they are what every tool reads. The two differ in the block
that a layer is in and, within resnets, in the layer; transformers have the same names in both.
"""

from __future__ import annotations

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.attentions.0": "middle_block.1",
}


def to_sgm(module: str) -> str | None:
    """``down_blocks.1.attentions.0.proj_in`` to ``input_blocks.4.1.proj_in``; None for no layer of SDXL."""
    for prefix, sgm in _BLOCKS.items():
        if module == prefix or module.startswith(f"{prefix}."):
            return sgm + module.removeprefix(prefix)
    return None


def from_sgm(joined: str) -> tuple[str, str] | None:
    """Split a name whose dots are underscores, ``input_blocks_4_1_proj_in``, into diffusers' block and
    the rest: ``("down_blocks.1.attentions.0", "proj_in")``; None where it is no name of sgm's.
    """
    for prefix, sgm in _BLOCKS.items():
        start = sgm.replace(".", "_")
        if joined == start or joined.startswith(f"{start}_"):
            return prefix, joined.removeprefix(start).removeprefix("_")
    return None


def _blocks() -> dict[str, str]:
    """From diffusers' block, or layer where those differ too, to sgm's: longest first where one begins
    another. SDXL has three levels of two resnets on the way down and three on the way up, one block of
    sgm's each; the levels end in a sampler, but for the last.
    """
    resnets = {"mid_block.resnets.0": "middle_block.0", "mid_block.resnets.1": "middle_block.2"}
    blocks = dict(_ENDS)
    for level in range(3):
        for number in range(2):
            block = f"input_blocks.{3 * level + number + 1}"
            resnets[f"down_blocks.{level}.resnets.{number}"] = f"{block}.0"
            blocks[f"down_blocks.{level}.attentions.{number}"] = f"{block}.1"
        for number in range(3):
            block = f"output_blocks.{3 * level + number}"
            resnets[f"up_blocks.{level}.resnets.{number}"] = f"{block}.0"
            blocks[f"up_blocks.{level}.attentions.{number}"] = f"{block}.1"
    for level in range(2):
        blocks[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{3 * level + 3}.0.op"
        blocks[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{3 * level + 2}.2.conv"
    layers = {
        f"{b}.{ours}": f"{s}.{sgm}" for b, s in resnets.items() for ours, sgm in _RESNET.items()
    }
    return layers | blocks


_BLOCKS = _blocks()
