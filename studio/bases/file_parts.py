"""A base model's parts out of a single file in the original naming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.big_modeling import init_empty_weights
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from torch import Tensor
from transformers import PreTrainedModel

from studio.bases.families import Family
from studio.bases.video_names import video_weight


def part_of_file(
    part: str,
    kind: Any,
    checkpoint: dict[str, Tensor],
    config_folder: Path,
    *,
    family: Family,
    dtype: torch.dtype,
) -> Any:
    """One part, made by the configuration of its name.

    Args:
        kind: its class.
        checkpoint: the file's tensors by their original names.

    Raises:
        ValueError, OSError, RuntimeError: a weight is missing or of another shape.
    """
    try:
        if family == "svd":
            empty = empty_part(kind, config_folder / part)
            weights = {name: video_weight(part, name, checkpoint) for name in empty.state_dict()}
            return filled(empty, weights, dtype)
        return _converted(part, kind, checkpoint, config_folder, dtype)
    except KeyError as error:
        raise ValueError(f"{part} lacks the weight {error}") from error
    except NotImplementedError as error:
        # Parameters that the file lacks have no memory, and torch cannot move such.
        raise ValueError(f"{part} lacks weights that its configuration asks for") from error


def _converted(
    part: str, kind: Any, checkpoint: dict[str, Tensor], config_folder: Path, dtype: torch.dtype
) -> Any:
    """By diffusers' own converters."""
    config = {"config": str(config_folder), "local_files_only": True, "torch_dtype": dtype}
    if part.startswith("text_encoder"):
        convert: Any = create_diffusers_clip_model_from_ldm
        model = convert(kind, checkpoint, subfolder=part, **config)
    else:
        model = kind.from_single_file(checkpoint, subfolder=part, **config)
    refuse_missing(part, [name for name, p in model.named_parameters() if p.is_meta])
    return model


def empty_part(kind: Any, folder: Path) -> Any:
    """A part by the ``config.json`` in a folder; its weights have no memory yet."""
    with init_empty_weights():
        if issubclass(kind, PreTrainedModel):
            return kind(kind.config_class.from_pretrained(folder, local_files_only=True))
        return kind.from_config(kind.load_config(folder, local_files_only=True))


def filled(empty: Any, weights: Mapping[str, Tensor], dtype: torch.dtype) -> Any:
    """A part of `empty_part` with its weights, all of them.

    Raises:
        RuntimeError: one is missing or of another shape.
    """
    empty.load_state_dict({k: v.to(dtype) for k, v in weights.items()}, strict=True, assign=True)
    return empty


def refuse_missing(part: str, names: Iterable[str]) -> None:
    """Refuse a part that lacks weights, for the libraries fill such at random.

    Raises:
        ValueError: it does; the message counts them and names the first.
    """
    if missing := sorted(names):
        raise ValueError(f"{part} lacks {len(missing)} weights, the first is {missing[0]}")
