"""What the names of an adapter file's tensors tell: its kind, its format, its layers. No torch.

More namings are known here than the studio can apply: whoever looks into a file wants to know what it
is, whether or not it can be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import methodcaller
from typing import NamedTuple

from studio.adapters.formats import SAFETENSORS, formats

DOWN, UP, MIDDLE = "lora_A.weight", "lora_B.weight", "lora_mid.weight"
MAGNITUDE, ALPHA = "lora_magnitude_vector", "alpha"
UNET, BUNDLED = "model.diffusion_model.", "bundle_emb."
HYPERNETWORK = re.compile(r"(\d+)\.([01])\.(linear\d*\..+)")
"""A hypernetwork's tensor: the context's width, 0 for keys or 1 for values, the tensor's own name."""

_MODEL_PARTS = ("unet.", "text_encoder.", "text_encoder_2.")
# Those that begin like another stand behind it.
_VARIANTS = {
    **{"lora": "lora_", "loha": "hada_", "lokr": "lokr_", "diff": "diff"},
    **{"oft": "oft_", "diag_oft": "oft_blocks"},
}
_PEFT_ENDS = (".oft_R.weight", ".hada_w1_a", ".lokr_w1", ".lokr_w1_a")
_RANK_SIDES = (DOWN, "hada_w1_b", "lokr_w2_b", "lokr_w1_b")  # each (rank, …)
# By the ending of a key, to what peft or LyCORIS calls it.
_ENDINGS = {
    **dict.fromkeys(("lora_A.default.weight", "lora_down.weight", "lora.down.weight", DOWN), DOWN),
    **dict.fromkeys(("lora_B.default.weight", "lora_up.weight", "lora.up.weight", UP), UP),
    **dict.fromkeys(("dora_scale", f"{MAGNITUDE}.weight", MAGNITUDE), MAGNITUDE),
    **{name: name for name in (MIDDLE, ALPHA, "diff", "diff_b", "oft_R.weight")},
    **{name: name for name in ("oft_blocks", "oft_diag", "hada_t1", "hada_t2", "lokr_t2")},
    **{f"hada_w{n}_{side}": f"hada_w{n}_{side}" for n in (1, 2) for side in "ab"},
    **{f"lokr_w{n}{side}": f"lokr_w{n}{side}" for n in (1, 2) for side in ("", "_a", "_b")},
}
_VARIANT_OF = {
    part: variant
    for part in set(_ENDINGS.values()) - {ALPHA, MAGNITUDE}
    for variant, start in _VARIANTS.items()
    if part.startswith(start)
}
# ``attn1.processor.to_out_lora.down.weight``, as diffusers had it before 0.20.
_PROCESSOR = re.compile(r"(.*)\.processor\.(to_(?:q|k|v|out))_lora\.(down|up)\.weight")
_WORD_KEYS = ({"emb_params"}, {"clip_l", "clip_g"})

Shapes = Mapping[str, tuple[int, ...]]
NamedLayers = dict[str, dict[str, str]]
"""By the layer's name as the file has it: what each tensor is to the layer, and its key."""


class Naming(NamedTuple):
    """A kind of adapter and a format, in the words of `studio.adapters.formats` where it has one."""

    kind: str
    format: str


def naming_of(names: Iterable[str], layers: NamedLayers, extension: str) -> Naming | None:
    """What a file with tensors of these names holds; None where that is no adapter.

    Args:
        layers: `layers_in` those names.
        extension: ``.safetensors``, ``.pt``, or empty for a folder.
    """
    names = list(names)
    if any_starts(names, UNET):
        return Naming("full", "checkpoint")
    if any(map(HYPERNETWORK.fullmatch, names)):
        return Naming("hypernetwork", "a1111" if extension == ".pt" else "safetensors")
    if layers:
        if any_starts(names, BUNDLED):
            return Naming("pivotal", "bundle" if extension else "kohya")
        return Naming(_commonest_variant(layers), _lora_format(next(iter(layers)), names))
    if extension == "" and any_starts(names, "unet."):
        return Naming("full", "diffusers")
    return _word_naming(names, extension) or _plugins_naming(names, extension)


def layers_in(names: Iterable[str]) -> NamedLayers:
    """The layers of a LoRA or one of its relatives, in the names' order; other tensors are left out."""
    layers: NamedLayers = {}
    for name in names:
        # kohya's layers have no dot of their own: told at once, for a folder has a million of them
        layer, _, ending = name.partition(".")
        part = _ENDINGS.get(ending)
        found = (layer, part) if part is not None else _split(name)
        if found is not None and not name.startswith(BUNDLED):
            layers.setdefault(found[0], {})[found[1]] = name
    return {name: parts for name, parts in layers.items() if variant_of(parts)}


def any_starts(names: Iterable[str], start: str | tuple[str, ...]) -> bool:
    """Whether a name begins so, or in one of these ways."""
    return any(map(methodcaller("startswith", start), names))


def variant_of(parts: Iterable[str]) -> str:
    """``lora``, ``loha``, ``lokr``, ``oft``, ``diag_oft`` or ``diff`` (a whole difference); empty where
    it is none.
    """
    return next((_VARIANT_OF[part] for part in parts if part in _VARIANT_OF), "")


def rank_of(shapes: Shapes) -> int | None:
    """The width of a layer's bottleneck from its tensors' shapes by part; None where it has none."""
    found = (shapes[name][0] for name in _RANK_SIDES if shapes.get(name))
    return next(found, None)


def size_of(shapes: Shapes) -> tuple[int, ...]:
    """(out, in) of the weight that a layer changes, kernels flattened; empty where it cannot be told."""
    if shapes.get(DOWN) and shapes.get(UP):
        return _flat(shapes[UP])[0], _flat(shapes[DOWN])[1]
    if shapes.get("hada_w1_a") and shapes.get("hada_w1_b"):
        return _flat(shapes["hada_w1_a"])[0], _flat(shapes["hada_w1_b"])[1]
    first, second = (_factor_size(shapes, f"lokr_w{n}") for n in (1, 2))
    if first and second:
        return first[0] * second[0], first[1] * second[1]
    alone = next((s for name, s in shapes.items() if name not in (ALPHA, MAGNITUDE) and s), ())
    return _flat(alone) if alone else ()


def is_spatial(shapes: Shapes) -> bool:
    """Whether a layer is a convolution of more than single pixels."""
    tucker = {MIDDLE, "hada_t1", "lokr_t2"} & shapes.keys()
    return bool(tucker) or any(len(s) == 4 and s[-1] > 1 for s in shapes.values())


def _flat(shape: tuple[int, ...]) -> tuple[int, int]:
    rest = 1
    for side in shape[1:]:
        rest *= side
    return shape[0], rest


def _factor_size(shapes: Shapes, name: str) -> tuple[int, int] | None:
    if shapes.get(name):
        return _flat(shapes[name])
    left, right = shapes.get(f"{name}_a"), shapes.get(f"{name}_b")
    return (_flat(left)[0], _flat(right)[1]) if left and right else None


def _split(name: str) -> tuple[str, str] | None:
    """A layer's name and what the tensor is to it, where the layer's name has dots of its own; None for
    tensors of anything else.
    """
    pieces = name.split(".")
    for count in (1, 2, 3):
        part = _ENDINGS.get(".".join(pieces[-count:]))
        if part is not None and len(pieces) > count:
            return ".".join(pieces[:-count]), part
    old = _PROCESSOR.fullmatch(name)
    if old is None:
        return None
    layer = "to_out.0" if old[2] == "to_out" else old[2]
    return f"{old[1]}.{layer}", DOWN if old[3] == "down" else UP


def _commonest_variant(layers: NamedLayers) -> str:
    return Counter(map(variant_of, layers.values())).most_common(1)[0][0]


def _lora_format(layer: str, names: list[str]) -> str:
    if layer.startswith("lora_") and "." not in layer:
        return "kohya"
    if layer.startswith(_MODEL_PARTS):
        if any(name.endswith(_PEFT_ENDS) for name in names):
            return "peft"
        return "diffusers" if any(name.endswith(f".{DOWN}") for name in names) else "diffusers, old"
    return "peft" if layer.startswith("base_model.model.") else "other"


def _word_naming(names: list[str], extension: str) -> Naming | None:
    if set(names) in _WORD_KEYS or "string_to_param.*" in names:
        return Naming("textual_inversion", "a1111" if extension == SAFETENSORS else "a1111_pt")
    if len(names) == 1 and "." not in names[0]:
        return Naming("textual_inversion", "diffusers")
    return None


def _plugins_naming(names: list[str], extension: str) -> Naming | None:
    """Formats that an installed plugin has brought; asking them may import torch."""
    for known in formats():
        is_ours = known.module.startswith("studio.adapters.")
        if not is_ours and known.extension == extension and known.load().recognises(names):
            return Naming(known.kind, known.name)
    return None
