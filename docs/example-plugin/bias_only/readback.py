"""The second way to read a bias-only file, used to verify what the first wrote: from the live layers."""

from __future__ import annotations

from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement, relative
from studio.adapters.readback import load_content
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    left = load_content(path).tensors
    dtype, count = next(iter(left.values())).dtype, len(left)
    # A bias that hardly moved is compared with a share of the largest: its values may be below fp16's.
    floor = 1e-3 * max(offset.abs().max().item() for offset in adapter.tensors.values())
    differences, missing = {}, []
    for name, bias in base.unet.named_parameters(prefix="unet"):
        wanted = adapter.tensors.get(name)
        if wanted is None:
            continue
        found = left.pop(name, None)
        if found is None or found.shape != bias.shape:
            missing.append(name)
            continue
        difference = (found.float() - wanted).abs().max().item()
        differences[name] = relative(difference, max(wanted.abs().max().item(), floor))
    return Measurement(differences, tuple(missing), tuple(left), count, dtype)
