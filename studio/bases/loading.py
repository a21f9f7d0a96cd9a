"""Base models into memory: frozen, in eval mode, in one number format."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from studio.bases.base_model import TEXT_ENCODERS, BaseModel
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.single_file import SingleFile
from studio.errors import BaseModelError

MODELS: dict[str, Any] = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


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
    models: list[Any] = [base.unet, base.vae, *base.text_encoders]  # their ``to`` is mistyped
    for model in models:
        model.to(device).requires_grad_(False).eval()
    return base


def _parts(identity: BaseIdentity, dtype: torch.dtype) -> dict[str, Any]:
    content, names = identity.content, TEXT_ENCODERS[identity.family]
    configurations = content.config_folder if isinstance(content, SingleFile) else content.path
    # What is small first: if it is missing, no gigabytes have been loaded in vain.
    noise_scheduler = _noise_scheduler(configurations, identity.name)
    tokenizers = [
        CLIPTokenizer.from_pretrained(configurations / folder, local_files_only=True)
        for folder in (name.replace("text_encoder", "tokenizer") for name in names)
    ]
    modules = _modules(content, ("unet", "vae", *names), dtype)
    text_encoders = [modules.pop(name) for name in names]
    for text_encoder, tokenizer in zip(text_encoders, tokenizers, strict=True):
        _pool_at_the_end(text_encoder, tokenizer)
    return {
        **modules,
        "text_encoders": text_encoders,
        "tokenizers": tokenizers,
        "noise_scheduler": noise_scheduler,
        "force_zeros_for_empty_prompt": content.configuration.force_zeros_for_empty_prompt,
    }


def _modules(
    content: DiffusersFolder | SingleFile, parts: Iterable[str], dtype: torch.dtype
) -> dict[str, Any]:
    if isinstance(content, DiffusersFolder):
        return {part: _part_of_folder(part, content, dtype) for part in parts}
    checkpoint = load_file(content.path)  # once for all parts; its tensors are mapped, not read
    config = {"config": str(content.config_folder), "local_files_only": True, "torch_dtype": dtype}
    with no_warnings_of_diffusers():
        return {part: _part_of_file(part, checkpoint, config) for part in parts}


def _part_of_folder(part: str, folder: DiffusersFolder, dtype: torch.dtype) -> Any:
    keyword = "dtype" if part.startswith("text_encoder") else "torch_dtype"
    model, report = MODELS[part].from_pretrained(
        folder.path / part,
        variant=folder.variant,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **{keyword: dtype},
    )
    # Both libraries fill absent weights at random.
    _refuse_missing(part, report["missing_keys"])
    return model


def _part_of_file(part: str, checkpoint: dict[str, torch.Tensor], config: dict[str, Any]) -> Any:
    kind, convert = MODELS[part], create_diffusers_clip_model_from_ldm
    try:
        if part.startswith("text_encoder"):
            model = convert(kind, checkpoint, subfolder=part, **config)  # type: ignore[no-untyped-call]
        else:
            model = kind.from_single_file(checkpoint, subfolder=part, **config)
    except KeyError as error:
        raise ValueError(f"{part} lacks the weight {error}") from error
    except NotImplementedError as error:
        # Parameters that the file lacks have no memory, and torch cannot move such.
        raise ValueError(f"{part} lacks weights that its configuration asks for") from error
    _refuse_missing(part, [name for name, p in model.named_parameters() if p.is_meta])
    return model


def _refuse_missing(part: str, names: Iterable[str]) -> None:
    if missing := sorted(names):
        raise ValueError(f"{part} lacks {len(missing)} weights, the first is {missing[0]}")


def _pool_at_the_end(text_encoder: Any, tokenizer: CLIPTokenizer) -> None:
    """Let the pooled output be the state at the end of the text, as CLIP was trained.

    The configurations of published models say ``eos_token_id`` 2, for which transformers takes the
    state at the highest token: at a new word instead, once an adapter has added one.
    """
    getattr(text_encoder, "text_model", text_encoder).eos_token_id = tokenizer.eos_token_id


def _noise_scheduler(folder: Path, name: str) -> Any:
    """The scheduler that the folder names: its settings are what the base was trained with."""
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
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


@contextmanager
def no_warnings_of_diffusers() -> Iterator[None]:
    """It warns of every number format that is asked for, whether or not a module would mind."""
    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(verbosity)
