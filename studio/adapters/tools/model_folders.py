"""How diffusers and kohya read a diffusers folder: models by their configurations, tensors by name.

By the installed diffusers and transformers, and by sd-scripts 0.10.1, which runs older ones
(diffusers 0.32, transformers 4.54) and brings tokenizers of its own.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.adapters.adapter import Adapter
from studio.adapters.tools.checkpoints import Findings, mapped, weights_of
from studio.bases.base_model import BaseModel

_WEIGHTS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}
_LIBRARIES = tuple(_WEIGHTS)


def by_diffusers(path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why ``from_pretrained`` will not give the trained model; a clause, empty where it will.

    Raises:
        VerificationError: a weight file is not whole.
    """
    return _why_not(path, adapter, base, is_kohya=False)


def by_kohya(path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why sd-scripts will not train on from the trained model; a clause, empty where they will.

    Raises:
        VerificationError: a weight file is not whole.
    """
    return _why_not(path, adapter, base, is_kohya=True)


def by_none(path: Path, adapter: Adapter, base: BaseModel) -> str:  # noqa: ARG001
    """A1111 1.10.1, Forge 2025-06 and ComfyUI 2025-10 list models by their files."""
    return "it loads checkpoints of one file; export as checkpoint"


def _why_not(path: Path, adapter: Adapter, base: BaseModel, *, is_kohya: bool) -> str:
    try:
        index: dict[str, Any] = json.loads((path / "model_index.json").read_text("utf-8"))
        parts = {name: entry for name, entry in index.items() if _is_part(entry)}
        if lacking := [name for name in parts if not _is_there(path, name, is_kohya)]:
            return f"the folder lacks {lacking[0]}"
        models = {
            part: _on_meta(path / part, *entry)
            for part, entry in parts.items()
            if (path / part / _WEIGHTS[entry[0]]).is_file()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"it cannot make the models that the folder tells of: {error}"
    weights, findings = weights_of(adapter, base), Findings()
    looked_at: set[str] = set()
    for part, model in models.items():
        tensors = mapped(path / part / _WEIGHTS[parts[part][0]])
        for name, parameter in model.named_parameters():
            neutral = f"{part}.{name.removeprefix('text_model.')}"
            looked_at.add(neutral)
            spelled = [key for key in _spellings(part, name, is_kohya) if key in tensors]
            if not spelled:
                findings.missing.append(f"{part}.{name}")
                continue
            found = tensors.pop(spelled[0])
            if neutral not in weights or found.shape != parameter.shape:
                findings.different.append(f"{part}.{name}")
            else:
                findings.compare(f"{part}.{name}", found, weights[neutral])
        findings.unused += [f"{part}.{key}" for key in tensors if not key.endswith("position_ids")]
    findings.missing += sorted(weights.keys() - looked_at)
    return findings.because()


def _is_part(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and entry[0] in _LIBRARIES


def _is_there(path: Path, name: str, is_kohya: bool) -> bool:
    return (path / name).is_dir() or (is_kohya and name.startswith("tokenizer"))


def _on_meta(folder: Path, library: str, class_name: str) -> nn.Module:
    """The model that a part's configuration tells of, without its numbers."""
    kind: Any = getattr(importlib.import_module(library), class_name)
    with torch.device("meta"):
        if library == "diffusers":
            model: nn.Module = kind.from_config(kind.load_config(folder, local_files_only=True))
        else:
            model = kind(kind.config_class.from_pretrained(folder, local_files_only=True))
    return model


def _spellings(part: str, name: str, is_kohya: bool) -> Iterator[str]:
    """How a parameter may be called in a file: transformers before 5 know the published name alone."""
    if not part.startswith("text_encoder"):
        yield name
        return
    inner = name.removeprefix("text_model.")
    outer = f"text_model.{inner}"
    yield inner if inner.startswith("text_projection.") else outer
    if not is_kohya:
        yield from (inner, outer)
