"""How A1111 1.10.1 reads low-rank files."""

from __future__ import annotations

from functools import partial

from studio.adapters.readback import FileContent, ReadBack
from studio.adapters.tools.arithmetic import Rules, columns_of_changed
from studio.adapters.tools.live_names import OPEN_CLIP_PARTS, named_layers, original_name
from studio.adapters.tools.lookup import Places, looked_up
from studio.adapters.tools.webui_names import webui_name
from studio.bases.base_model import BaseModel

_ROOTS = {
    ("sd1", "text_encoder"): "transformer.text_model.",
    ("sd2", "text_encoder"): "model.",
    ("sdxl", "text_encoder"): "0.transformer.text_model.",
    ("sdxl", "text_encoder_2"): "1.model.",
}
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


def read_back(content: FileContent, base: BaseModel) -> ReadBack:
    """What A1111 does with the file on this base."""
    known_as = partial(webui_name, family=base.family)
    result = looked_up(content, _places(base), known_as, Rules(columns_of_changed))
    _leave_parted_attention(result, base)
    return result


def _places(base: BaseModel) -> Places:
    places: Places = {}
    for part, path, weight in named_layers(base):
        root = "diffusion_model." if part == "unet" else _ROOTS[base.family, part]
        name = root + original_name(part, path, base.family)
        places[name.replace(".", "_")] = f"{part}.{path}", weight
    return places


def _leave_parted_attention(result: ReadBack, base: BaseModel) -> None:
    """open_clip's attention is one module there, changed by all four projections or by none."""
    parts = OPEN_CLIP_PARTS.get(base.family, ())
    attentions = {
        path.rpartition(".")[0]
        for path in result.changes
        if path.startswith(tuple(f"{part}." for part in parts)) and path.endswith(_ATTENTION)
    }
    for attention in sorted(attentions):
        present = [p for n in _ATTENTION if (p := f"{attention}.{n}") in result.changes]
        if len(present) < len(_ATTENTION):
            for path in present:
                del result.changes[path]
                result.unmatched.append(f"{path}: changed only with all of {', '.join(_ATTENTION)}")
