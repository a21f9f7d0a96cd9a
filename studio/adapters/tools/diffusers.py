"""How the installed diffusers reads low-rank files: by its own code, up to what peft is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from studio.adapters import readback_diffusers
from studio.adapters.readback import FileContent, ReadBack, fits, low_rank_change
from studio.adapters.tools.live_names import named_layers
from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_warnings_of_diffusers

REFUSAL = "it refuses the file"
_CONFIG = "lora_adapter_metadata"


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """What ``load_lora_weights`` would attach to this base."""
    if not hasattr(base.unet, "load_lora_adapter"):
        kind = type(base.unet).__name__
        return ReadBack(
            unmatched=[
                f"{REFUSAL}: {kind} has no load_lora_adapter; a class of both it and "
                "diffusers.loaders.PeftAdapterMixin has"
            ]
        )
    if _CONFIG in content.metadata:
        return readback_diffusers.read_back(content, base)
    try:
        tensors, alphas = _converted(content, base)
    except (ValueError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        return ReadBack(unmatched=[f"{REFUSAL}: {reason or type(error).__name__}"])
    return _attached(tensors, alphas, base)


def _converted(
    content: FileContent, base: BaseModel
) -> tuple[dict[str, Tensor], Mapping[str, float]]:
    """Tensors under peft's names, alphas by layer; both by diffusers' own conversion."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, utils

    library: Any = utils  # its types leave the conversions out
    loader: Any = StableDiffusionXLPipeline if base.family == "sdxl" else StableDiffusionPipeline
    unet: Any = base.unet
    with no_warnings_of_diffusers():
        given = loader.lora_state_dict(dict(content.tensors), unet_config=unet.config)
    tensors: dict[str, Tensor] = {}
    alphas: dict[str, float] = {}
    for part in ("unet", "text_encoder", "text_encoder_2"):
        to_peft = (
            library.convert_unet_state_dict_to_peft
            if part == "unet"
            else library.convert_state_dict_to_peft
        )
        own, stated = (
            {k: v for k, v in (table or {}).items() if k.startswith(f"{part}.")} for table in given
        )
        tensors |= to_peft(own) if own else {}
        named = to_peft(stated) if stated else {}
        alphas |= {
            k.partition(".lora_")[0].removesuffix(".alpha"): float(v) for k, v in named.items()
        }
    # What it leaves out on the way, it never looks at again.
    dropped = [key for key in content.tensors if key.endswith("dora_scale")]
    tensors |= {key: content.tensors[key] for key in dropped}
    return tensors, alphas


def _attached(
    tensors: Mapping[str, Tensor], alphas: Mapping[str, float], base: BaseModel
) -> ReadBack:
    left, result = dict(tensors), ReadBack()
    for part, path, weight in named_layers(base):
        key = f"unet.{path}" if part == "unet" else f"{part}.text_model.{path}"
        down, up = (left.pop(f"{key}.lora_{end}.weight", None) for end in "AB")
        if down is None or up is None:
            continue
        if not fits(up, down, weight):
            result.unmatched.append(f"{key} does not fit the layer")
            continue
        factor = alphas.get(key, float(len(down))) / len(down)
        result.changes[f"{part}.{path}"] = low_rank_change(up, down, factor, None)
    result.unmatched += sorted(left)
    return result
