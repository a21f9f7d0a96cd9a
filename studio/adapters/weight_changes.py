"""A LoRA file measured by what it does to each of the base's weights; its formats share this."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch

from studio.adapters.measurement import Measurement, relative
from studio.adapters.readback import Change, FileContent, ReadBack, live_layers, load_content
from studio.bases.base_model import BaseModel

# From fine to coarse.
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# A layer that hardly moved is compared with this share of the largest change, not with itself: its
# values may be below what fp16 can hold, and nobody would see them.
FLOOR = 1e-3
# As little counts a difference beside this share of the layer's own weights: an adapter that has hardly
# begun to learn is below fp16's numbers altogether.
INVISIBLE = 1e-4


class Reader(Protocol):
    """How one tool's rules turn a file's content into changes of the base's layers."""

    def __call__(self, content: FileContent, base: BaseModel) -> ReadBack: ...


def measure_changes(
    path: Path, read_back: Reader, trained: Mapping[str, Change], base: BaseModel
) -> Measurement:
    """Read ``path`` with ``read_back`` and compare every layer's change with the ``trained`` one.

    Raises:
        VerificationError: it is not a whole safetensors file of floating point numbers.
    """
    return compare_changes(load_content(path), read_back, trained, base)


def compare_changes(
    content: FileContent, read_back: Reader, trained: Mapping[str, Change], base: BaseModel
) -> Measurement:
    """As `measure_changes`, of a file that was read already."""
    found = read_back(content, base)
    return Measurement(
        differences=_differences(found.changes, trained, base),
        missing=tuple(sorted(set(trained) - set(found.changes))),
        unmatched=tuple(found.unmatched),
        tensors=len(content.tensors),
        dtype=coarsest(content),
    )


def coarsest(content: FileContent) -> torch.dtype:
    """The coarsest number format among a file's tensors."""
    return max((t.dtype for t in content.tensors.values()), key=DTYPES.index)


def _differences(
    found: Mapping[str, Change], trained: Mapping[str, Change], base: BaseModel
) -> dict[str, float]:
    weights = {
        f"{part}.{name.removeprefix('text_model.')}": weight
        for part, name, weight in live_layers(base)
    }
    measured: dict[str, tuple[float, float]] = {}
    unseen: dict[str, float] = {}
    for path, change in found.items():
        weight = weights[path]
        got = change(weight)
        wanted = trained[path](weight) if path in trained else torch.zeros_like(got)
        measured[path] = (got - wanted).abs().max().item(), wanted.abs().max().item()
        unseen[path] = INVISIBLE * weight.abs().max().item()
    largest = max((size for _, size in measured.values()), default=0.0)
    return {
        path: relative(difference, max(size, FLOOR * largest, unseen[path]))
        for path, (difference, size) in measured.items()
    }
