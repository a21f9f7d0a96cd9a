"""How kohya's sd-scripts 0.10.1 read low-rank files."""

from __future__ import annotations

import re

from studio.adapters.readback import FileContent, ReadBack
from studio.adapters.tools.arithmetic import LYCORIS, Rules
from studio.adapters.tools.live_names import named_layers, original_name
from studio.adapters.tools.lookup import Places, looked_up
from studio.bases.base_model import BaseModel

_UNREACHED = re.compile(r"(conv_in|conv_out|time_embedding\.\w+|add_embedding\.\w+)$")
_TEXT_LAYERS = re.compile(r"encoder\.layers\.\d+\.(self_attn|mlp)\.\w+$")

_OWN = Rules(decomposed=None, turns=False)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """What the scripts do with the file: LoHa, LoKr, DoRA and OFT through LyCORIS, which such files name as
    their network module; plain LoRA through their own.
    """
    is_lycoris = content.metadata.get("ss_network_module", "").startswith("lycoris")
    rules = LYCORIS if is_lycoris else _OWN
    return looked_up(content, _places(base, everything=is_lycoris), str, rules)


def _places(base: BaseModel, *, everything: bool) -> Places:
    """Their own network stands around transformers, resnets and samplers, not around what is outside."""
    places: Places = {}
    for part, path, weight in named_layers(base):
        if part == "unet":
            if everything or not _UNREACHED.match(path):
                # Their SDXL has the original code's names, their SD 1.x and 2.x diffusers' ones.
                own = original_name(part, path, "sdxl") if base.family == "sdxl" else path
                places["lora_unet_" + own.replace(".", "_")] = f"unet.{path}", weight
        elif everything or _TEXT_LAYERS.match(path):
            number = part.removeprefix("text_encoder_") if part[-1] == "2" else "1"
            prefix = f"lora_te{number}" if base.family == "sdxl" else "lora_te"
            name = f"{prefix}_text_model_{path}".replace(".", "_")
            places[name] = f"{part}.{path}", weight
    return places
