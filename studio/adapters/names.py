"""Module paths and the names that adapter files have for them.

A neutral path is a live module's behind its part: ``unet.down_blocks.0.….to_q``,
``text_encoder.encoder.layers.0.self_attn.q_proj``. kohya joins it with underscores behind a prefix.
Files nest the text encoder in ``text_model.``, as transformers did before 5.6; readers know no other
form, so it is always written, and both are read.
"""

from __future__ import annotations

import re

KOHYA_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
NESTING = "text_model."
# Names of modules that hold an underscore of their own, in SD 1.x and 2.x: everywhere else an
# underscore of a kohya name stands for a dot.
_WITH_UNDERSCORE = (
    "add_embedding add_k_proj add_q_proj add_v_proj conv_in conv_norm_out conv_out conv_shortcut "
    "cond_proj down_blocks final_layer_norm layer_norm1 layer_norm2 linear_1 linear_2 mid_block "
    "out_proj position_embedding proj_in proj_out k_proj q_proj v_proj self_attn text_model "
    "time_emb_proj time_embedding to_k to_out to_q to_v token_embedding transformer_blocks up_blocks"
).split()
_WORD = re.compile("|".join(sorted(_WITH_UNDERSCORE, key=len, reverse=True)) + "|[^_]+")


def kohya_name(path: str) -> str:
    """``unet.mid_block.….to_q`` to ``lora_unet_mid_block_…_to_q``."""
    part, _, module = nested(path).partition(".")
    return KOHYA_PREFIXES[part] + module.replace(".", "_")


def neutral_path(name: str) -> str | None:
    """The way back from `kohya_name`; None where the prefix is none of SD 1.x or 2.x."""
    for part, prefix in KOHYA_PREFIXES.items():
        if name.startswith(prefix):
            words = _WORD.findall(name.removeprefix(prefix))
            return flat(f"{part}." + ".".join(words))
    return None


def nested(path: str) -> str:
    """A text encoder's path as files have it, ``text_encoder.text_model.…``; others unchanged."""
    part, _, module = path.partition(".")
    if part != "text_encoder" or module.startswith(NESTING):
        return path
    return f"{part}.{NESTING}{module}"


def flat(path: str) -> str:
    """A text encoder's path as transformers 5 has it; others unchanged."""
    part, _, module = path.partition(".")
    return f"{part}.{module.removeprefix(NESTING)}" if part == "text_encoder" else path
