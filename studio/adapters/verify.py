"""Does an adapter file do to the base what was trained? Measured by effective weight, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.formats import Format, recognise
from studio.adapters.readback import Change, FileContent, ReadBack, live_layers, load_content
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError

# Largest difference that rounding both matrices to a format can make, with a margin of four.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
DTYPE_NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
# A layer that hardly moved is compared with this share of the largest change, not with itself: its
# values may be below what fp16 can hold, and nobody would see them.
FLOOR = 1e-3


@dataclass(frozen=True)
class Verdict:
    """What reading a file back has shown.

    Attributes:
        ok: every tensor is used, every layer is there, and every change is as trained.
        format, dtype: what the file was found to be in.
        layers: how many layers of the base it changes.
        tensors: how many tensors it holds.
        unmatched: tensors that a reader would not use, with the reason where it is not the name.
        missing: trained layers that the file does not change.
        max_relative_difference: largest difference of any layer's change from the trained one, as a
            share of that layer's largest change.
        tolerance: up to where such a difference is rounding.
        worst_layer: where it was found.
    """

    ok: bool
    format: str
    dtype: str
    layers: int
    tensors: int
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]
    max_relative_difference: float
    tolerance: float
    worst_layer: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def problem(self) -> str:
        """The first thing that is wrong, as a clause; empty where nothing is."""
        if self.unmatched:
            return f"{len(self.unmatched)} tensors unused, the first is {self.unmatched[0]}"
        if self.missing:
            return f"{len(self.missing)} layers absent, the first is {self.missing[0]}"
        if not self.ok:
            return f"{self.worst_layer} is off by {self.max_relative_difference:.2%} of its change"
        return ""


def verify(path: Path, adapter: Adapter, base: BaseModel) -> Verdict:
    """Read ``path`` as a tool would, and compare every layer's change with ``adapter``'s.

    Raises:
        VerificationError: the file is not a whole safetensors file, or of no known format.
    """
    content = load_content(path)
    file_format = recognise(content.tensors)
    if file_format is None:
        raise VerificationError(f"{path.name} is in no format that the studio writes")
    found = file_format.load_readback().read_back(content, base)
    trained = file_format.load().trained_changes(adapter)
    differences, missing = _compare(found.changes, trained, base)
    return _verdict(file_format, content, found, differences, missing)


def _verdict(
    file_format: Format,
    content: FileContent,
    found: ReadBack,
    differences: Mapping[str, float],
    missing: tuple[str, ...],
) -> Verdict:
    dtype = max((t.dtype for t in content.tensors.values()), key=lambda d: TOLERANCES[d])
    worst = max(differences, key=lambda path: differences[path], default="")
    difference = differences.get(worst, 0.0)
    return Verdict(
        ok=not found.unmatched and not missing and difference <= TOLERANCES[dtype],
        format=file_format.name,
        dtype=DTYPE_NAMES[dtype],
        layers=len(found.changes),
        tensors=len(content.tensors),
        unmatched=tuple(found.unmatched),
        missing=missing,
        max_relative_difference=difference,
        tolerance=TOLERANCES[dtype],
        worst_layer=worst,
    )


def _compare(
    found: Mapping[str, Change], trained: Mapping[str, Change], base: BaseModel
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Relative differences by layer, and the trained layers that were not found."""
    weights = {
        f"{part}.{name.removeprefix('text_model.')}": weight
        for part, name, weight in live_layers(base)
    }
    measured: dict[str, tuple[float, float]] = {}
    for path, change in found.items():
        weight = weights[path]
        got = change(weight)
        wanted = trained[path](weight) if path in trained else torch.zeros_like(got)
        measured[path] = (got - wanted).abs().max().item(), wanted.abs().max().item()
    largest = max((size for _, size in measured.values()), default=0.0)
    differences = {
        path: _relative(difference, max(size, FLOOR * largest))
        for path, (difference, size) in measured.items()
    }
    return differences, tuple(sorted(set(trained) - set(found)))


def _relative(difference: float, size: float) -> float:
    """Infinite where there is nothing to compare with, or where a value is not a number."""
    if difference == 0:
        return 0.0
    relative = difference / size if size > 0 else math.inf
    return math.inf if math.isnan(relative) else relative
