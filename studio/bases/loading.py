"""Base models into memory: frozen, in eval mode, in one number format."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from studio.bases.base_model import BaseModel
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.single_file import SingleFile
from studio.errors import BaseModelError


def load_base(
    name: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    allow_download: bool = False,
) -> BaseModel:
    """Load a base model, every part in ``dtype`` whatever the files hold, on ``device``.

    Args:
        name: ``pocket``, a hub id, a diffusers folder or a ``.safetensors`` file.

    Raises:
        BaseModelError: it is not here, not whole, of an unknown family, or its files contradict
            their configuration.
    """
    identity = identify_base(name, allow_download=allow_download)
    try:
        with no_progress_bars():
            parts = _parts(identity, dtype)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BaseModelError(
            f"base model {name!r} cannot be loaded: {reason}; fetch it anew"
        ) from error
    base = BaseModel(
        name=name,
        family=identity.family,
        digest=identity.digest,
        resolution_px=identity.resolution_px,
        **parts,
    )
    for module in (base.unet, base.vae, *base.text_encoders):
        module.to(device).requires_grad_(False).eval()
    return base


def _parts(identity: BaseIdentity, dtype: torch.dtype) -> dict[str, Any]:
    if isinstance(identity.content, SingleFile):
        return _parts_of_file(identity.content, dtype)
    return _parts_of_folder(identity.content, dtype)


def _parts_of_folder(folder: DiffusersFolder, dtype: torch.dtype) -> dict[str, Any]:
    return {
        "unet": _weights(UNet2DConditionModel, folder, "unet", torch_dtype=dtype),
        "vae": _weights(AutoencoderKL, folder, "vae", torch_dtype=dtype),
        "text_encoders": [_weights(CLIPTextModel, folder, "text_encoder", dtype=dtype)],
        "tokenizers": [CLIPTokenizer.from_pretrained(folder.path / "tokenizer")],
        "noise_scheduler": _noise_scheduler(folder.path),
    }


def _weights(kind: Any, folder: DiffusersFolder, part: str, **dtype: torch.dtype) -> Any:
    """One part from its subfolder; both libraries would fill absent weights at random."""
    model, report = kind.from_pretrained(
        folder.path / part,
        variant=folder.variant,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **dtype,
    )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ValueError(f"{part} lacks {len(missing)} weights, the first is {missing[0]}")
    return model


def _noise_scheduler(folder: Path) -> Any:
    """The scheduler that the folder names: its settings are what the base was trained with."""
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    kind: Any = getattr(diffusers, config.get("_class_name", ""), None)
    known = inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)
    if not known:
        raise ValueError(f"its scheduler is of an unknown class {config.get('_class_name')!r}")
    return kind.from_config(config)


def _parts_of_file(file: SingleFile, dtype: torch.dtype) -> dict[str, Any]:
    config = {"config": str(file.config_folder), "local_files_only": True, "torch_dtype": dtype}
    unet = UNet2DConditionModel.from_single_file(file.path, subfolder="unet", **config)
    vae = AutoencoderKL.from_single_file(file.path, subfolder="vae", **config)
    convert: Any = create_diffusers_clip_model_from_ldm  # has no types
    text_encoder = convert(CLIPTextModel, load_file(file.path), subfolder="text_encoder", **config)
    return {
        "unet": unet,
        "vae": vae,
        "text_encoders": [text_encoder],
        "tokenizers": [CLIPTokenizer.from_pretrained(file.config_folder / "tokenizer")],
        "noise_scheduler": _noise_scheduler(file.config_folder),
    }


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Both libraries draw a bar for each part; one line of our own says more."""
    switches = (
        (transformers_logging, transformers_logging.is_progress_bar_enabled()),
        (diffusers_logging, diffusers_logging.is_progress_bar_enabled()),
    )
    for library, _ in switches:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, was_on in switches:
            if was_on:
                library.enable_progress_bar()
