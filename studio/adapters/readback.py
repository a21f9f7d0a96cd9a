"""The second way to read an adapter file, used only to verify what the first way wrote.

It starts from the other end: from the live base model's modules, whose names it turns into the names
that a reader would look up. Every tensor of the file has to be found so; what is left over, a reader
would leave unused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from studio.bases.base_model import BaseModel
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import VerificationError

Change = Callable[[torch.Tensor], torch.Tensor]
"""From a layer's original weight to what the adapter adds to it, fp32, same shape."""

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class FileContent:
    """A file's tensors in their own number formats, and its metadata."""

    tensors: dict[str, torch.Tensor]
    metadata: dict[str, str]


@dataclass
class ReadBack:
    """What a reader makes of a file on one base model.

    Attributes:
        changes: by neutral path of the base's layers.
        unmatched: one clause for each tensor that no layer looks up or that does not fit it.
    """

    changes: dict[str, Change] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)


def load_content(path: Path) -> FileContent:
    """Read a safetensors file by its layout alone.

    Raises:
        VerificationError: it is not a whole safetensors file of floating point numbers.
    """
    try:
        layout = read_layout(path)
        raw = path.read_bytes()
    except (TensorFileError, OSError) as error:
        raise VerificationError(f"{path.name} cannot be read back: {error}") from error
    tensors: dict[str, torch.Tensor] = {}
    for name, place in layout.tensors.items():
        if place.dtype not in _DTYPES:
            raise VerificationError(f"{path.name} holds {name} as {place.dtype}")
        # A copy, for torch wants memory that it may write to.
        data = bytearray(raw[place.start : place.end])
        flat = torch.frombuffer(data, dtype=_DTYPES[place.dtype]) if data else torch.empty(0)
        tensors[name] = flat.reshape(place.shape)
    return FileContent(tensors, layout.metadata)


def live_layers(base: BaseModel) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Part, module path and weight of every linear and convolution layer; also where a trainer's own
    layers stand around them.
    """
    parts: dict[str, nn.Module] = {"unet": base.unet, **base.named_text_encoders}
    for part, model in parts.items():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and ".lora_" not in name:
                yield part, name.removesuffix(".base_layer"), module.weight


def low_rank_change(
    up: torch.Tensor, down: torch.Tensor, factor: float, row_lengths: torch.Tensor | None
) -> Change:
    """W' = W + factor * up @ down; with ``row_lengths`` every row of W' is then brought to that length."""

    def change(weight: torch.Tensor) -> torch.Tensor:
        delta = factor * (up.float().flatten(1) @ down.float().flatten(1))
        if row_lengths is None:
            return delta.reshape(weight.shape)
        before = weight.detach().float().cpu().flatten(1)
        after = torch.nn.functional.normalize(before + delta, dim=1)
        return (after * row_lengths.float().reshape(-1, 1) - before).reshape(weight.shape)

    return change


def fits(up: torch.Tensor, down: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether up @ down has the shape of ``weight``."""
    pair = up.dim() == down.dim() == weight.dim() and up.shape[1] == down.shape[0]
    return pair and up.shape[0] == weight.shape[0] and down.shape[1:] == weight.shape[1:]
