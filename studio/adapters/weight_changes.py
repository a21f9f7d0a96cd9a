"""A LoRA file measured by what it does to each of the base's weights; its formats share this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    return compare_changes(load_content(path), [read_back], trained, base)[0]


def compare_changes(
    content: FileContent, readers: Sequence[Reader], trained: Mapping[str, Change], base: BaseModel
) -> list[Measurement]:
    """As `measure_changes`, of a file that was read already, for several readers at once."""
    readings = [read_back(content, base) for read_back in readers]
    differences = _differences([found.changes for found in readings], trained, base)
    return [
        Measurement(
            differences=measured,
            missing=tuple(sorted(set(trained) - set(found.changes))),
            unmatched=tuple(found.unmatched),
            tensors=len(content.tensors),
            dtype=coarsest(content),
        )
        for found, measured in zip(readings, differences, strict=True)
    ]


def coarsest(content: FileContent) -> torch.dtype:
    """The coarsest number format among a file's tensors."""
    return max((t.dtype for t in content.tensors.values()), key=DTYPES.index)


def _differences(
    readings: Sequence[Mapping[str, Change]], trained: Mapping[str, Change], base: BaseModel
) -> list[dict[str, float]]:
    """Layer by layer, so that what was trained is worked out once for all readings."""
    measured: list[dict[str, tuple[float, float]]] = [{} for _ in readings]
    unseen: dict[str, float] = {}
    for part, name, weight in live_layers(base):
        path = f"{part}.{name.removeprefix('text_model.')}"
        changes = [(number, found[path]) for number, found in enumerate(readings) if path in found]
        if not changes:
            continue
        wanted = trained[path](weight) if path in trained else torch.zeros(weight.shape)
        size = wanted.abs().max().item()
        unseen[path] = INVISIBLE * weight.abs().max().item()
        for number, change in changes:
            measured[number][path] = (change(weight) - wanted).abs().max().item(), size
    return [_as_shares(sizes, unseen) for sizes in measured]


def _as_shares(
    measured: Mapping[str, tuple[float, float]], unseen: Mapping[str, float]
) -> dict[str, float]:
    """Each difference as a share of its layer's trained change, or of what can be seen at all."""
    largest = max((size for _, size in measured.values()), default=0.0)
    return {
        path: relative(difference, max(size, FLOOR * largest, unseen[path]))
        for path, (difference, size) in measured.items()
    }
