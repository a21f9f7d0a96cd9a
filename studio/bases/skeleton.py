"""A base model's architecture without its weights: from its configuration files, on the meta device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from studio.bases.base_model import BaseModel
from studio.bases.families import FAMILIES
from studio.bases.identity import BaseIdentity
from studio.bases.settings import BaseSettings
from studio.bases.single_file import SingleFile
from studio.bases.tokenizers import load_tokenizer
from studio.errors import BaseModelError

_DRAWS = {
    torch.ops.aten.uniform_.default,
    torch.ops.aten.normal_.default,
    torch.ops.aten.fill_.Scalar,
    torch.ops.aten.zero_.default,
}


def skeleton_base(
    identity: BaseIdentity,
    settings: BaseSettings = BaseSettings(),  # noqa: B008 - it is frozen
) -> BaseModel:
    """The base model as `load_base` would give it, with parameters that have shapes and no memory.

    Its tokenizers and its noise scheduler are real ones. ``digest`` is empty: no weight is read. A VAE of
    its own (``base.vae``) is taken to be of the base's architecture, as all that go with it are.

    Raises:
        BaseModelError: a configuration is missing or describes no such model.
    """
    content, record = identity.content, FAMILIES[identity.family]
    folder = content.config_folder if isinstance(content, SingleFile) else content.path
    try:
        with torch.device("meta"), _NoFirstValues():  # type: ignore[no-untyped-call]
            modules = {p: _module(kind, folder / p) for p, kind in record.modules.items()}
        tokenizers = [load_tokenizer(folder / name) for name in record.tokenizers]
        changes = content.scheduler if isinstance(content, SingleFile) else {}
        noise_scheduler = _noise_scheduler(folder / "scheduler" / "scheduler_config.json", changes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BaseModelError(
            f"base model {identity.name!r} has a configuration that cannot be read: {reason}; "
            "copy its configuration files anew"
        ) from error
    text_encoders = [modules.pop(part) for part in record.text_encoders]
    return BaseModel(
        name=identity.name,
        family=identity.family,
        digest="",
        resolution_px=identity.resolution_px,
        text_encoders=text_encoders,
        tokenizers=tokenizers,
        noise_scheduler=noise_scheduler,
        force_zeros_for_empty_prompt=content.configuration.force_zeros_for_empty_prompt,
        clip_skip=settings.clip_skip,
        **modules,
    )


class _NoFirstValues(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """First values are drawn into nothing: on the meta device that is only time."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return args[0] if func in _DRAWS else func(*args, **(kwargs or {}))


def _module(kind: str, folder: Path) -> Any:
    library, _, name = kind.partition(".")
    model: Any = getattr(import_module(library), name)
    if library == "diffusers":
        module = model.from_config(model.load_config(str(folder), local_files_only=True))
    else:
        module = model(model.config_class.from_pretrained(str(folder), local_files_only=True))
    return module.requires_grad_(False).eval()


def _noise_scheduler(path: Path, changes: Mapping[str, object]) -> Any:
    config = json.loads(path.read_text("utf-8")) | dict(changes)
    return getattr(diffusers, config["_class_name"]).from_config(config)
