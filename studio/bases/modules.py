"""A base model's parts from its files, by the libraries' own loaders."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from studio.bases.checkpoint_tensors import load_checkpoint
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.families import FAMILIES, Family
from studio.bases.file_parts import empty_part, filled, part_of_file, refuse_missing
from studio.bases.library_words import no_warnings_of_diffusers
from studio.bases.single_file import VAE, SingleFile
from studio.bases.vae_override import VaeOverride, plain_names

CACHE_LINE_BYTES = 64  # torch's own tensors begin at one


def load_modules(
    content: DiffusersFolder | SingleFile,
    family: Family,
    dtype_of: Callable[[str], torch.dtype],
    finish: Callable[[str, Any], None],
    vae: VaeOverride | None = None,
) -> dict[str, Any]:
    """Every part of a base model by its name, on the CPU.

    Args:
        dtype_of: the number format that a part is read in.
        finish: what is done to a part before the next one is read, so that memory never holds more
            than one that is not finished.
        vae: what is read in the place of the base model's own.

    Raises:
        ValueError, OSError, KeyError, RuntimeError: a weight is missing or of another shape.
    """
    parts = FAMILIES[family].modules
    # A single file is opened once for all parts; its tensors are mapped, not read.
    checkpoint = load_checkpoint(content.path) if isinstance(content, SingleFile) else {}
    modules = {}
    with no_warnings_of_diffusers():
        for part, kind in parts.items():
            dtype = dtype_of(part)
            if part == "vae" and vae is not None:
                modules[part] = _other_vae(_class(kind), vae, dtype)
            elif isinstance(content, DiffusersFolder):
                folder = content.path / part
                modules[part] = _part_of_folder(part, _class(kind), folder, content.variant, dtype)
            else:
                modules[part] = part_of_file(
                    part,
                    _class(kind),
                    checkpoint,
                    content.config_folder,
                    family=family,
                    dtype=dtype,
                )
            _take_in(modules[part])
            finish(part, modules[part])
    return modules


def _take_in(module: Any) -> None:
    """Copy what still lies in a mapped file: it may change there, and it lies anywhere in it, where on
    some processors kernels round otherwise than on weights that begin at a line of the cache.
    """
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.data_ptr() % CACHE_LINE_BYTES:
            tensor.data = tensor.data.clone()


def _class(kind: str) -> Any:
    library, _, name = kind.partition(".")
    return getattr(import_module(library), name)


def _part_of_folder(
    part: str, kind: Any, folder: Path, variant: str | None, dtype: torch.dtype
) -> Any:
    keyword = "dtype" if issubclass(kind, PreTrainedModel) else "torch_dtype"
    model, report = kind.from_pretrained(
        folder,
        variant=variant,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **{keyword: dtype},
    )
    # Both libraries fill absent weights at random.
    refuse_missing(part, report["missing_keys"])
    return model


def _other_vae(kind: Any, vae: VaeOverride, dtype: torch.dtype) -> Any:
    if vae.path.is_dir():
        return _part_of_folder("base.vae", kind, vae.path, vae.variant, dtype)
    tensors = plain_names(load_checkpoint(vae.path))
    if not vae.is_original:
        return filled(empty_part(kind, vae.config_folder), tensors, dtype)
    original = {f"{VAE}{name}": tensor for name, tensor in tensors.items()}
    folder, part = vae.config_folder.parent, vae.config_folder.name
    return part_of_file(part, kind, original, folder, family="sd1", dtype=dtype)
