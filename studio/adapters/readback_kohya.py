"""How kohya's readers apply a LoRA file: names looked up from the live modules, alpha / rank.

LoHa, LoKr, DoRA and OFT as LyCORIS documents them. SDXL's U-Net is looked up by the names that ComfyUI
derives from its configuration: sgm's blocks, counted along the way down and up.
"""

from __future__ import annotations

from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import FileContent, ReadBack
from studio.adapters.readback_sgm import sgm_layer_names
from studio.adapters.tools.arithmetic import LYCORIS
from studio.adapters.tools.live_names import named_layers
from studio.adapters.tools.lookup import Places, looked_up
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare every layer's change with the adapter's."""
    return measure_changes(path, read_back, trained_changes(adapter), base)


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """Look every layer of the base up in the file."""
    return looked_up(content, _places(base), str, LYCORIS)


def _places(base: BaseModel) -> Places:
    sgm = sgm_layer_names(base.unet) if base.family == "sdxl" else {}
    places: Places = {}
    for part, path, weight in named_layers(base):
        name = sgm.get(path, path) if part == "unet" else f"text_model.{path}"
        prefix = "lora_unet_" if part == "unet" else _text_prefix(part, base.family)
        places[prefix + name.replace(".", "_")] = f"{part}.{path}", weight
    return places


def _text_prefix(part: str, family: str) -> str:
    number = {"text_encoder": "1", "text_encoder_2": "2"}[part] if family == "sdxl" else ""
    return f"lora_te{number}_"
