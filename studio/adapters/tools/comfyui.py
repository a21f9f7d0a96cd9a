"""How ComfyUI (2025-10) and Forge (2025-06), which took it over, read low-rank files."""

from __future__ import annotations

from collections.abc import Iterator

from studio.adapters.readback import FileContent, ReadBack
from studio.adapters.tools.arithmetic import Rules, rows_of_original
from studio.adapters.tools.live_names import named_layers, original_name
from studio.adapters.tools.lookup import Places, looked_up
from studio.bases.base_model import BaseModel

_TEXT_LAYERS = ("mlp.fc1", "mlp.fc2", *(f"self_attn.{p}_proj" for p in ("k", "q", "v", "out")))


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """What ComfyUI does with the file on this base."""
    return looked_up(content, _places(base), str, Rules(rows_of_original, limit_grows=False))


def _places(base: BaseModel) -> Places:
    return {
        name: (f"{part}.{path}", weight)
        for part, path, weight in named_layers(base)
        for name in _names(part, path, base)
    }


def _names(part: str, path: str, base: BaseModel) -> Iterator[str]:
    """Of the U-Net both namings; of text encoders the layers of attention and feed-forward alone."""
    if part == "unet":
        for module in (path, original_name(part, path, base.family)):
            yield "lora_unet_" + module.replace(".", "_")
    elif path.startswith("encoder.layers.") and path.endswith(_TEXT_LAYERS):
        layer = "text_model_" + path.replace(".", "_")
        yield from (f"{prefix}_{layer}" for prefix in _prefixes(part))


def _prefixes(part: str) -> tuple[str, ...]:
    return ("lora_te2",) if part == "text_encoder_2" else ("lora_te", "lora_te1")
