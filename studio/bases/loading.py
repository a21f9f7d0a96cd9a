"""Base models into memory: frozen, in eval mode, in the number formats that are asked for."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from transformers import CLIPTokenizer

from studio.bases.base_model import BaseModel
from studio.bases.families import FAMILIES
from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.library_words import no_progress_bars
from studio.bases.modules import load_modules
from studio.bases.number_format import NumberFormat
from studio.bases.placement import place
from studio.bases.quantization import Quantization
from studio.bases.settings import BaseSettings, Offload
from studio.bases.single_file import SingleFile
from studio.bases.tokenizers import load_tokenizer
from studio.errors import BaseModelError


def load_base(
    name: str,
    settings: BaseSettings = BaseSettings(),  # noqa: B008 - it is frozen
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    quantization: Quantization | None = None,
    offload: Offload = "none",
    allow_download: bool = False,
) -> BaseModel:
    """Load a base model in ``dtype``, whatever the files hold, on ``device``; its VAE in fp32.

    Args:
        name: ``pocket``, a hub id, a diffusers folder or a single file.
        settings: what is used otherwise than it came.
        quantization: of all linear layers but the VAE's; ``dtype`` is the rest's then.
        offload: whether the parts wait in main memory; see `studio.bases.placement.place`.

    Raises:
        BaseModelError: it is not here, not whole, of an unknown family, or its files contradict
            their configuration.
    """
    identity = identify_base(name, vae=settings.vae, allow_download=allow_download)
    try:
        with no_progress_bars():
            parts = _parts(identity, NumberFormat(dtype, quantization))
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
        clip_skip=settings.clip_skip,
        **parts,
    )
    for module in base.modules:
        module.requires_grad_(False).eval()
    place(base, torch.device(device), offload)
    return base


def _parts(identity: BaseIdentity, numbers: NumberFormat) -> dict[str, Any]:
    content, record = identity.content, FAMILIES[identity.family]
    configurations = content.config_folder if isinstance(content, SingleFile) else content.path
    # What is small first: if it is missing, no gigabytes have been loaded in vain.
    changes = content.scheduler if isinstance(content, SingleFile) else {}
    noise_scheduler = _noise_scheduler(configurations, changes, identity.name)
    tokenizers = [load_tokenizer(configurations / folder) for folder in record.tokenizers]
    modules = load_modules(content, identity.family, numbers.reading, numbers.finish, identity.vae)
    text_encoders = [modules.pop(part) for part in record.text_encoders]
    for text_encoder, tokenizer in zip(text_encoders, tokenizers, strict=True):
        _pool_at_the_end(text_encoder, tokenizer)
    return {
        **modules,
        "text_encoders": text_encoders,
        "tokenizers": tokenizers,
        "noise_scheduler": noise_scheduler,
        "force_zeros_for_empty_prompt": content.configuration.force_zeros_for_empty_prompt,
    }


def _pool_at_the_end(text_encoder: Any, tokenizer: CLIPTokenizer) -> None:
    """Let the pooled output be the state at the end of the text, as CLIP was trained.

    The configurations of published models say ``eos_token_id`` 2, for which transformers takes the
    state at the highest token: at a new word instead, once an adapter has added one.
    """
    getattr(text_encoder, "text_model", text_encoder).eos_token_id = tokenizer.eos_token_id


def _noise_scheduler(folder: Path, changes: Mapping[str, object], name: str) -> Any:
    """The scheduler that the folder names: its settings are what the base was trained with.

    Args:
        changes: what a single file is known to have been trained with instead.
    """
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    config |= changes
    kind: Any = getattr(diffusers, config.get("_class_name", ""), None)
    known = inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)
    if not known:
        raise ValueError(f"its scheduler is of an unknown class {config.get('_class_name')!r}")
    noise_scheduler = kind.from_config(config)
    if not hasattr(noise_scheduler, "alphas_cumprod"):
        raise BaseModelError(
            f"base model {name!r} has the scheduler {kind.__name__}, which has no alphas_cumprod; "
            "give a model of denoising diffusion, trained to predict epsilon or v"
        )
    return noise_scheduler
