"""What A1111 calls a base's layers, and what it makes of the names in a LoRA file.

It knows the modules of the original code: ``diffusion_model_input_blocks_1_1_…``,
``transformer_text_model_encoder_layers_0_…``, for open_clip ``model_transformer_resblocks_0_…``. A file's
name is turned into such a one by a rule that counts three blocks a level, which SDXL's diffusers names
do not always obey; names that are the original ones already are taken as they are.
"""

from __future__ import annotations

import re

_RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "norm1": "in_layers_0",
    "norm2": "out_layers_0",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}
_LAYER = re.compile(r"lora_unet_(down|up)_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)")
_MIDDLE = re.compile(r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)")
_SAMPLER = re.compile(
    r"lora_unet_(down_blocks_(\d+)_downsamplers|up_blocks_(\d+)_upsamplers)_0_conv"
)
_TIME = re.compile(r"lora_unet_time_embedding_linear_(\d+)")
_TEXT = re.compile(r"lora_(te|te2)_text_model_encoder_layers_(\d+)_(.+)")
_ENDS = {
    "lora_unet_conv_in": "diffusion_model_input_blocks_0_0",
    "lora_unet_conv_out": "diffusion_model_out_2",
}


def webui_name(name: str, family: str) -> str:
    """A file's layer name as A1111 looks it up."""
    if name in _ENDS:
        return _ENDS[name]
    for pattern, converted in (
        (_LAYER, _layer),
        (_MIDDLE, _middle),
        (_SAMPLER, _sampler),
        (_TIME, _time),
    ):
        if found := pattern.fullmatch(name):
            return converted(found)
    if found := _TEXT.fullmatch(name):
        return _text(found, family)
    if name.startswith("lora_te1_text_model"):
        return name.replace("lora_te1_text_model", "0_transformer_text_model")
    return name.replace("lora_unet", "diffusion_model")


def _layer(found: re.Match[str]) -> str:
    way, level, kind, place, rest = found.groups()
    block = 3 * int(level) + int(place) + (way == "down")
    side = "input" if way == "down" else "output"
    inner = rest if kind == "attentions" else _RESNET.get(rest, rest)
    return f"diffusion_model_{side}_blocks_{block}_{int(kind == 'attentions')}_{inner}"


def _middle(found: re.Match[str]) -> str:
    kind, place, rest = found.groups()
    if kind == "attentions":
        return f"diffusion_model_middle_block_1_{rest}"
    return f"diffusion_model_middle_block_{2 * int(place)}_{_RESNET.get(rest, rest)}"


def _sampler(found: re.Match[str]) -> str:
    _, down, up = found.groups()
    if down is not None:
        return f"diffusion_model_input_blocks_{3 + 3 * int(down)}_0_op"
    # The outermost level of SD 1.x and 2.x has no attention before its sampler; SDXL's has.
    return f"diffusion_model_output_blocks_{2 + 3 * int(up)}_{2 if int(up) else 1}_conv"


def _time(found: re.Match[str]) -> str:
    return f"diffusion_model_time_embed_{2 * int(found[1]) - 2}"


def _text(found: re.Match[str], family: str) -> str:
    encoder, layer, rest = found.groups()
    if encoder == "te" and family != "sd2":
        return f"transformer_text_model_encoder_layers_{layer}_{rest}"
    number = "1_" if encoder == "te2" else ""
    inner = {"mlp_fc1": "mlp_c_fc", "mlp_fc2": "mlp_c_proj"}.get(rest, rest)
    return f"{number}model_transformer_resblocks_{layer}_{inner.replace('self_attn', 'attn')}"
