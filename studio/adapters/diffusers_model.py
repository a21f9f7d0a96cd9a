"""Whole weights as a diffusers folder, as ``DiffusionPipeline.from_pretrained`` loads it.

Everything is in it, so that the folder stands alone; ``adapter.json`` says what was trained.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import diffusers
from safetensors.torch import load_file
from torch import Tensor, nn

from studio import atomic
from studio.adapters.adapter import Adapter
from studio.adapters.checkpoint import PARTS_KEY, trained_parts
from studio.adapters.header import from_metadata, to_metadata
from studio.adapters.names import nested
from studio.adapters.tensor_bytes import Dtype, rounded, write_safetensors
from studio.adapters.whole_weights import all_weights
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

HEADER_FILE = "adapter.json"
WEIGHT_FILES = {"unet": "diffusion_pytorch_model.safetensors"}
TEXT_WEIGHT_FILE = "model.safetensors"
PUBLISHED_WIDTHS = (768, 1024, 2048)


def recognises(keys: Iterable[str]) -> bool:
    """Whether these files are a diffusers folder that the studio wrote."""
    return {"model_index.json", HEADER_FILE} <= set(keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write all parts into the folder ``path``.

    Raises:
        AdapterError: the adapter was made for another base, or a value does not fit ``dtype``.
    """
    weights: dict[str, dict[str, Tensor]] = {
        part: {} for part in ("unet", *base.named_text_encoders)
    }
    for neutral, tensor in all_weights(adapter, base).items():
        part, _, name = _published(neutral).partition(".")
        weights[part][name] = tensor
    weights["vae"] = {name: p.detach() for name, p in base.vae.named_parameters()}
    for part, tensors in weights.items():
        _write_weights(path / part, part, tensors, dtype)
    _write_configurations(path, base)
    header = to_metadata(adapter.header) | {PARTS_KEY: ",".join(trained_parts(adapter))}
    atomic.write_json(path / HEADER_FILE, header)


def read_path(path: Path) -> Adapter:
    """The trained parts in a folder.

    Raises:
        AdapterError: its ``adapter.json`` is broken, or a trained part is missing.
    """
    try:
        metadata = json.loads((path / HEADER_FILE).read_text("utf-8"))
        parts = [part for part in metadata[PARTS_KEY].split(",") if part]
        header = from_metadata(metadata, "full")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AdapterError(f"its {HEADER_FILE} cannot be read ({error})") from error
    if not parts or not {"unet", "text_encoder", "text_encoder_2"}.issuperset(parts):
        raise AdapterError(f"its {HEADER_FILE} names no parts that can be trained: {parts}")
    tensors: dict[str, Tensor] = {}
    for part in parts:
        for name, tensor in load_file(path / part / _weight_file(part)).items():
            tensors[f"{part}.{name.removeprefix('text_model.')}"] = tensor.float()
    return Adapter(header, tensors)


def _published(neutral: str) -> str:
    """The name as in published folders, where a projection stands beside the text model, not in it."""
    return neutral if ".text_projection." in neutral else nested(neutral)


def _weight_file(part: str) -> str:
    return TEXT_WEIGHT_FILE if part.startswith("text_encoder") else WEIGHT_FILES["unet"]


def _write_weights(folder: Path, part: str, tensors: Mapping[str, Tensor], dtype: Dtype) -> None:
    folder.mkdir()
    chosen = {name: rounded(f"{part}.{name}", t, dtype) for name, t in tensors.items()}
    write_safetensors(folder / _weight_file(part), chosen, {"format": "pt"})


def _write_configurations(path: Path, base: BaseModel) -> None:
    index: dict[str, Any] = {
        "_class_name": f"StableDiffusion{'XL' if base.family == 'sdxl' else ''}Pipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", type(base.noise_scheduler).__name__],
        "unet": ["diffusers", type(base.unet).__name__],
        "vae": ["diffusers", type(base.vae).__name__],
    }
    for part, tokenizer in zip(base.named_text_encoders, base.tokenizers, strict=True):
        name = part.replace("text_encoder", "tokenizer")
        index |= {
            part: ["transformers", type(base.named_text_encoders[part]).__name__],
            name: ["transformers", "CLIPTokenizer"],
        }
        _configure(path / part, base.named_text_encoders[part])
        _write_tokenizer(path / name, tokenizer)
    if base.family == "sdxl":
        index["force_zeros_for_empty_prompt"] = base.force_zeros_for_empty_prompt
    else:
        nothing = [None, None]
        index |= {"safety_checker": nothing, "feature_extractor": nothing}
        index["requires_safety_checker"] = False
    _configure(path / "unet", base.unet)
    _configure(path / "vae", base.vae)
    base.noise_scheduler.save_pretrained(path / "scheduler")
    atomic.write_json(path / "model_index.json", index)
    if base.unet.config["cross_attention_dim"] not in PUBLISHED_WIDTHS:
        atomic.write_json(path / "pocket.json", {"family": base.family})


def _configure(folder: Path, module: nn.Module) -> None:
    """The module's configuration, without the folder that it was once loaded from."""
    model: Any = module
    config = model.config.to_dict() if hasattr(model.config, "to_dict") else dict(model.config)
    config["_class_name"] = type(model).__name__
    public = {name: value for name, value in config.items() if name != "_name_or_path"}
    atomic.write_json(folder / "config.json", public)


def _write_tokenizer(folder: Path, tokenizer: Any) -> None:
    """With the two files that transformers before version 5 reads."""
    tokenizer.save_pretrained(folder)
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    atomic.write_json(folder / "vocab.json", model["vocab"])
    atomic.write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
