"""How A1111, Forge, ComfyUI and kohya's scripts read low-rank files, stated once more for the tests.

Written from the readers' published rules (``anchors/formats.md``), sharing nothing with the studio's own
tables: a tool's layers are counted out of the model's configuration, as the original code builds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
"""Each layer of a residual block by diffusers' name and by the original one."""
ATTENTION = tuple(f"attn{n}.to_{end}" for n in (1, 2) for end in ("q", "k", "v", "out.0"))
TEXT_LAYERS = (*(f"self_attn.{x}_proj" for x in ("q", "k", "v", "out")), "mlp.fc1", "mlp.fc2")
OPEN_CLIP = {"self_attn": "attn", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


class Tree(NamedTuple):
    """What a model's configuration says of its layers.

    Attributes:
        changes_width: by level from the outermost: whether its channels differ from the level's before.
        depths: by level: transformer blocks in each attention; 0 for none.
        middle_depth: the same of the middle.
        text_layers: of each text encoder.
    """

    family: str
    changes_width: tuple[bool, ...]
    depths: tuple[int, ...]
    middle_depth: int
    text_layers: tuple[int, ...]


class Layer(NamedTuple):
    """One layer by its path in diffusers behind its part, and by the original code's."""

    path: str
    original: str


def unet_layers(tree: Tree) -> Iterator[Layer]:
    """Every layer inside a block, counted as the original code appends them: ``num_res_blocks`` is 2."""
    last, block = len(tree.depths) - 1, 1
    for level, depth in enumerate(tree.depths):
        for number in range(2):
            own, there = f"down_blocks.{level}", f"input_blocks.{block}"
            shortcut = number == 0 and tree.changes_width[level]
            yield from _resnet(f"{own}.resnets.{number}", f"{there}.0", shortcut=shortcut)
            yield from _transformer(f"{own}.attentions.{number}", f"{there}.1", depth)
            block += 1
        if level < last:
            sampler = f"unet.down_blocks.{level}.downsamplers.0.conv"
            yield Layer(sampler, f"input_blocks.{block}.0.op")
            block += 1
    yield from _resnet("mid_block.resnets.0", "middle_block.0", shortcut=False)
    yield from _transformer("mid_block.attentions.0", "middle_block.1", tree.middle_depth)
    yield from _resnet("mid_block.resnets.1", "middle_block.2", shortcut=False)
    block = 0
    for level, depth in enumerate(reversed(tree.depths)):
        for number in range(3):
            own, there = f"up_blocks.{level}", f"output_blocks.{block}"
            yield from _resnet(f"{own}.resnets.{number}", f"{there}.0", shortcut=True)
            yield from _transformer(f"{own}.attentions.{number}", f"{there}.1", depth)
            if number == 2 and level < last:
                # It is appended behind what the block has: the resnet, and the attention if any.
                sampler = f"{there}.{2 if depth else 1}.conv"
                yield Layer(f"unet.{own}.upsamplers.0.conv", sampler)
            block += 1


def _resnet(own: str, there: str, *, shortcut: bool) -> Iterator[Layer]:
    for name, original in RESNET.items():
        if shortcut or name != "conv_shortcut":
            yield Layer(f"unet.{own}.{name}", f"{there}.{original}")


def _transformer(own: str, there: str, depth: int) -> Iterator[Layer]:
    inner = (*ATTENTION, "ff.net.0.proj", "ff.net.2")
    ends = ("proj_in", "proj_out") if depth else ()
    blocks = (f"transformer_blocks.{n}.{name}" for n in range(depth) for name in inner)
    for name in (*ends, *blocks):
        yield Layer(f"unet.{own}.{name}", f"{there}.{name}")


def text_layers(tree: Tree) -> Iterator[Layer]:
    """Attention and feed-forward of each text encoder; the original of open_clip's is its own."""
    for number, count in enumerate(tree.text_layers, 1):
        part = "text_encoder" if number == 1 else f"text_encoder_{number}"
        root = {"sd1": "transformer", "sd2": "model"}.get(tree.family)
        root = root or ("0.transformer", "1.model")[number - 1]
        for layer in range(count):
            for name in TEXT_LAYERS:
                original = f"{root}.text_model.encoder.layers.{layer}.{name}"
                if root.endswith("model"):
                    inner = name
                    for ours, theirs in OPEN_CLIP.items():
                        inner = inner.replace(ours, theirs)
                    original = f"{root}.transformer.resblocks.{layer}.{inner}"
                yield Layer(f"{part}.encoder.layers.{layer}.{name}", original)


def joined(name: str) -> str:
    return name.replace(".", "_")


# --- by which names each tool looks a layer up -----------------------------------------------------


def comfyui_names(tree: Tree) -> dict[str, str]:
    """ComfyUI, and Forge which took it over: every name it accepts, with the layer."""
    names = {}
    for layer in unet_layers(tree):
        names[f"lora_unet_{joined(layer.original)}"] = layer.path
        names[f"lora_unet_{joined(layer.path.removeprefix('unet.'))}"] = layer.path
    for layer in text_layers(tree):
        part, _, inner = layer.path.partition(".")
        prefixes = ("lora_te2",) if part == "text_encoder_2" else ("lora_te", "lora_te1")
        names |= {f"{prefix}_text_model_{joined(inner)}": layer.path for prefix in prefixes}
    return names


def kohya_names(tree: Tree) -> dict[str, str]:
    """kohya's scripts: for SDXL its own U-Net, built as the original; diffusers' one for the others."""
    is_xl = tree.family == "sdxl"
    names = {}
    for layer in unet_layers(tree):
        own = layer.original if is_xl else layer.path.removeprefix("unet.")
        names[f"lora_unet_{joined(own)}"] = layer.path
    for layer in text_layers(tree):
        part, _, inner = layer.path.partition(".")
        number = ("2" if part.endswith("_2") else "1") if is_xl else ""
        names[f"lora_te{number}_text_model_{joined(inner)}"] = layer.path
    return names


def a1111_modules(tree: Tree) -> dict[str, str]:
    """A1111: the modules of the original code, by their names with underscores."""
    unet = {f"diffusion_model_{joined(x.original)}": x.path for x in unet_layers(tree)}
    return unet | {joined(layer.original): layer.path for layer in text_layers(tree)}


def a1111_name(name: str, family: str) -> str:
    """A1111's ``convert_diffusers_name_to_compvis``, and what it falls back on."""
    if found := re.fullmatch(r"lora_unet_(down|up)_blocks_(\d+)_(\w+?)_(\d+)_(.+)", name):
        return _a1111_block(*found.groups())
    if found := re.fullmatch(r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)", name):
        kind, number, inner = found.groups()
        place = 1 if kind == "attentions" else 2 * int(number)
        return f"diffusion_model_middle_block_{place}_{_a1111_inner(kind, inner)}"
    if found := re.fullmatch(r"lora_te(2?)_text_model_encoder_layers_(\d+)_(.+)", name):
        second, layer, inner = found.groups()
        if not second and family != "sd2":
            return f"transformer_text_model_encoder_layers_{layer}_{inner}"
        for ours, theirs in OPEN_CLIP.items():
            inner = inner.replace(joined(ours), joined(theirs))
        return f"{'1_' if second else ''}model_transformer_resblocks_{layer}_{inner}"
    name = name.replace("lora_te1_text_model", "0_transformer_text_model")
    return name.replace("lora_unet", "diffusion_model")


def _a1111_block(way: str, level: str, kind: str, number: str, inner: str) -> str:
    start = 3 * int(level)
    match way, kind:
        case "down", "downsamplers":
            return f"diffusion_model_input_blocks_{start + 3}_0_op"
        case "up", "upsamplers":
            return f"diffusion_model_output_blocks_{start + 2}_{2 if int(level) else 1}_conv"
    side, block = ("input", start + 1) if way == "down" else ("output", start)
    place = f"{block + int(number)}_{int(kind == 'attentions')}"
    return f"diffusion_model_{side}_blocks_{place}_{_a1111_inner(kind, inner)}"


def _a1111_inner(kind: str, inner: str) -> str:
    return joined(RESNET.get(inner, inner)) if kind == "resnets" else inner


# --- what each tool does with a file ----------------------------------------------------------------


@dataclass
class Reading:
    """The tensors that found a layer, by its path and what follows its name; and the keys that did not."""

    layers: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)


def _lookup(tool: str, tree: Tree) -> Callable[[str], str | None]:
    if tool == "a1111":
        modules = a1111_modules(tree)
        return lambda name: modules.get(a1111_name(name, tree.family))
    return {"comfyui": comfyui_names, "forge": comfyui_names, "kohya": kohya_names}[tool](tree).get


def read(tool: str, tensors: Mapping[str, Tensor], tree: Tree) -> Reading:
    """What a tool makes of a file's tensors."""
    found, looked_up = Reading(), _lookup(tool, tree)
    for key, tensor in tensors.items():
        name, _, part = key.partition(".")
        path = looked_up(name)
        if path is None or part not in PARTS:
            found.unmatched.append(key)
        else:
            found.layers.setdefault(path, {})[part] = tensor
    return found


PARTS = {"lora_down.weight", "lora_up.weight", "alpha", "dora_scale"}
PARTS |= {f"hada_w{n}_{side}" for n in (1, 2) for side in "ab"}
PARTS |= {f"lokr_w{n}{side}" for n in (1, 2) for side in ("", "_a", "_b")}


def changed(parts: Mapping[str, Tensor], weight: Tensor) -> Tensor:
    """The weight with the layer's tensors worked in; ``dora_scale`` as LyCORIS reads it for kohya: the
    length of each row of the changed weight.
    """
    weight = weight.detach().float()
    result = weight + added(parts).reshape(weight.shape)
    if "dora_scale" in parts:
        rows = result.flatten(1)
        unit = rows / rows.square().sum(1, keepdim=True).sqrt()
        result = (unit * parts["dora_scale"].float().reshape(-1, 1)).reshape(weight.shape)
    return result


def added(parts: Mapping[str, Tensor]) -> Tensor:
    """alpha / rank times the product that the names stand for; no alpha means scale 1."""
    numbers = {name: tensor.float() for name, tensor in parts.items()}
    if "lora_up.weight" in numbers:
        down = numbers["lora_down.weight"]
        product, rank = (
            torch.einsum("or,ri->oi", numbers["lora_up.weight"].flatten(1), down.flatten(1)),
            len(down),
        )
    elif "hada_w1_a" in numbers:
        first, second = (numbers[f"hada_w{n}_a"] @ numbers[f"hada_w{n}_b"] for n in (1, 2))
        product, rank = first * second, len(numbers["hada_w1_b"])
    else:
        product, rank = _kronecker(numbers)
    scale = float(numbers["alpha"]) / rank if "alpha" in numbers and rank else 1.0
    return scale * product


def _kronecker(numbers: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """Entry by entry: block (a, b) of the product is w1[a, b] times w2. Two whole factors know no alpha."""
    factors, rank = [], 0
    for n in (1, 2):
        whole = numbers.get(f"lokr_w{n}")
        if whole is None:
            whole = numbers[f"lokr_w{n}_a"] @ numbers[f"lokr_w{n}_b"]
            rank = len(numbers[f"lokr_w{n}_b"])
        factors.append(whole.flatten(1))
    left, right = factors
    rows = [torch.cat([value * right for value in row], dim=1) for row in left]
    return torch.cat(rows), rank
