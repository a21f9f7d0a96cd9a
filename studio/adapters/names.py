"""Module paths and the names that adapter files have for them.

A neutral path is a live module's behind its part: ``unet.down_blocks.0.….to_q``,
``text_encoder.encoder.layers.0.self_attn.q_proj``. kohya joins it with underscores behind a prefix, for
SDXL's U-Net after naming its blocks as `studio.adapters.sgm_names` does.
Files nest the text encoder in ``text_model.``, as transformers did before 5.6; readers know no other
form, so it is always written, and both are read.
"""

from __future__ import annotations

import re

from studio.adapters.sgm_names import from_sgm, to_sgm
from studio.errors import AdapterError

PARTS = ("unet", "text_encoder", "text_encoder_2")
KOHYA_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
KOHYA_SDXL_PREFIXES = {
    "unet": "lora_unet_",
    "text_encoder": "lora_te1_",
    "text_encoder_2": "lora_te2_",
}
NESTING = "text_model."
# Words of module names in Stable Diffusion that hold an underscore of their own; everywhere else an
# underscore of a kohya name stands for a dot.
_WORD = re.compile(
    r"""
    (?:down|mid|up|transformer)_blocks? | (?:time|add)_embedding | time_emb_proj | linear_[12]
    | proj_(?:in|out) | to_(?:q|k|v|out) | (?:q|k|v|out)_proj | self_attn
    | conv_(?:in|out|shortcut|norm_out) | text_model | layer_norm[12] | final_layer_norm
    | (?:token|position)_embedding
    | [^_]+
    """,
    re.VERBOSE,
)
_ROOTS = {
    "unet": {"add_embedding", "conv_in", "conv_out", "down_blocks", "mid_block", "time_embedding"}
    | {"up_blocks"},
    "text": {"text_model", "embeddings", "encoder", "final_layer_norm"},
}


def kohya_name(path: str, family: str) -> str:
    """``unet.mid_block.….to_q`` to ``lora_unet_mid_block_…_to_q``, for SDXL ``lora_unet_middle_block_…``.

    Raises:
        AdapterError: the family has no such part or layer, or no naming of kohya's.
    """
    part, _, module = nested(path).partition(".")
    prefixes = {"sd1": KOHYA_PREFIXES, "sd2": KOHYA_PREFIXES, "sdxl": KOHYA_SDXL_PREFIXES}
    prefix = prefixes.get(family, {}).get(part)
    named = to_sgm(module) if family == "sdxl" and part == "unet" else module
    if prefix is None or named is None:
        raise AdapterError(
            f"kohya's naming has no place for {path} of a base of family {family!r}; "
            "export as diffusers"
        )
    return prefix + named.replace(".", "_")


def neutral_path(name: str) -> str | None:
    """The way back from `kohya_name`, from either naming of blocks; None where the name is none of
    Stable Diffusion 1.x, 2.x or XL.
    """
    prefixes = {v: k for table in (KOHYA_PREFIXES, KOHYA_SDXL_PREFIXES) for k, v in table.items()}
    part = next((part for prefix, part in prefixes.items() if name.startswith(prefix)), None)
    if part is None:
        return None
    joined = name[name.index("_", len("lora_")) + 1 :]
    block, rest = (part == "unet" and from_sgm(joined)) or ("", joined)
    words = _WORD.findall(rest)
    roots = _ROOTS["unet" if part == "unet" else "text"]
    if not block and not (words and words[0] in roots):
        return None
    return flat(".".join(filter(None, [part, block, *words])))


def nested(path: str) -> str:
    """A text encoder's path as files have it, ``text_encoder.text_model.…``; others unchanged."""
    part, _, module = path.partition(".")
    if not part.startswith("text_encoder") or module.startswith(NESTING):
        return path
    return f"{part}.{NESTING}{module}"


def flat(path: str) -> str:
    """A text encoder's path as transformers 5 has it; others unchanged."""
    part, _, module = path.partition(".")
    return f"{part}.{module.removeprefix(NESTING)}" if part.startswith("text_encoder") else path
