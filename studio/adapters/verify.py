"""Does an adapter file do to the base what was trained? Measured part by part, by a second reader."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.files import format_of
from studio.adapters.formats import Format
from studio.adapters.measurement import Measurement
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError

# Largest difference that rounding both matrices to a format can make, with a margin of four.
TOLERANCES = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
DTYPE_NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class Verdict:
    """What reading a file back has shown.

    Attributes:
        ok: every tensor is used, every layer is there, and every change is as trained.
        format, dtype: what the file was found to be in.
        layers: how many layers or parts it holds.
        tensors: how many tensors it holds.
        unmatched: tensors that a reader would not use, with the reason where it is not the name.
        missing: trained layers that the file does not change.
        max_relative_difference: largest difference of any layer's change from the trained one, as a
            share of that layer's largest change.
        tolerance: up to where such a difference is rounding.
        worst_layer: where it was found.
        kept_share: share of the trained change that the file holds, where it cannot hold all of it.
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
    kept_share: float | None = None

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


def verify(path: Path, adapter: Adapter, base: BaseModel, known: Format | None = None) -> Verdict:
    """Read ``path`` as a tool would, and compare what it does with ``adapter``.

    Args:
        known: the format it was written in; found by its content where not given.

    Raises:
        VerificationError: the file cannot be read, or is of no known format.
    """
    if known is None:
        try:
            known = format_of(path)
        except AdapterError as error:
            raise VerificationError(str(error)) from error
    return _verdict(known, known.load_readback().measure(path, adapter, base))


def _verdict(known: Format, found: Measurement) -> Verdict:
    worst = max(found.differences, key=lambda part: found.differences[part], default="")
    difference = found.differences.get(worst, 0.0)
    tolerance = TOLERANCES[found.dtype]
    return Verdict(
        ok=not found.unmatched and not found.missing and difference <= tolerance,
        format=known.name,
        dtype=DTYPE_NAMES[found.dtype],
        layers=len(found.differences),
        tensors=found.tensors,
        unmatched=found.unmatched,
        missing=found.missing,
        max_relative_difference=difference,
        tolerance=tolerance,
        worst_layer=worst,
        kept_share=found.kept_share,
    )
