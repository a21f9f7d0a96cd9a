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
# Words of module names in SD 1.x and 2.x that hold an underscore of their own; everywhere else an
# underscore of a kohya name stands for a dot.
_WORD = re.compile(
    r"""
    (?:down|mid|up|transformer)_blocks? | time_emb(?:edding|_proj) | linear_[12] | proj_(?:in|out)
    | to_(?:q|k|v|out) | (?:q|k|v|out)_proj | self_attn | conv_(?:in|out|shortcut|norm_out)
    | text_model | layer_norm[12] | final_layer_norm | (?:token|position)_embedding
    | [^_]+
    """,
    re.VERBOSE,
)
_ROOTS = {
    "unet": {"conv_in", "conv_out", "down_blocks", "mid_block", "time_embedding", "up_blocks"},
    "text_encoder": {"text_model", "embeddings", "encoder", "final_layer_norm"},
}


def kohya_name(path: str) -> str:
    """``unet.mid_block.….to_q`` to ``lora_unet_mid_block_…_to_q``."""
    part, _, module = nested(path).partition(".")
    return KOHYA_PREFIXES[part] + module.replace(".", "_")


def neutral_path(name: str) -> str | None:
    """The way back from `kohya_name`; None where the name is none of SD 1.x or 2.x in diffusers' terms."""
    for part, prefix in KOHYA_PREFIXES.items():
        if name.startswith(prefix):
            words = _WORD.findall(name.removeprefix(prefix))
            known = words[:1] and words[0] in _ROOTS[part]
            return flat(f"{part}." + ".".join(words)) if known else None
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
