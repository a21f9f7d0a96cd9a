"""Whole models compared with what they were written from: base and adapter, parameter by parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement, relative
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel


def compare_weights(
    found: Mapping[str, Tensor],
    adapter: Adapter,
    base: BaseModel,
    *,
    unread: Sequence[str],
    tensors: int,
    dtype: torch.dtype,
) -> Measurement:
    """Every parameter that a reader found, against the trained one or, where none trained, the base's.

    What rounding does to a weight is as large as what training did to it, so a weight has to be the
    trained one *as rounded*, to the bit, or it counts as different; how much of the change rounding
    has eaten is told apart, as ``kept_share``.

    Args:
        found: by neutral name, the VAE's behind ``vae.``.
        unread: one clause for each thing in the file that the reader did not use.
        tensors, dtype: of the file.
    """
    wanted = _wanted(adapter, base)
    unmatched = [*unread, *(f"{name} is in no part of the base" for name in found.keys() - wanted)]
    differences: dict[str, float] = {}
    for name, (before, after) in wanted.items():
        if name not in found:
            continue
        if found[name].shape != after.shape:
            unmatched.append(f"{name} is of another shape")
            continue
        rounded = after.to(dtype).float()
        off = (found[name].float() - rounded).abs().max().item()
        moved = (after - before).abs().max().item()
        differences[name] = relative(off, moved or after.abs().max().item())
    return Measurement(
        differences=differences,
        missing=tuple(sorted(wanted.keys() - found)),
        unmatched=tuple(sorted(unmatched)),
        tensors=tensors,
        dtype=dtype,
        kept_share=_kept_share(found, wanted),
    )


def _wanted(adapter: Adapter, base: BaseModel) -> dict[str, tuple[Tensor, Tensor]]:
    """Each parameter as it was and as it has to be, fp32, on the CPU."""
    live = {f"vae.{name}": p for name, p in base.vae.named_parameters()} | named_parameters(base)
    wanted = {}
    for name, parameter in live.items():
        before = parameter.detach().float().cpu()
        wanted[name] = before, adapter.tensors.get(name, before)
    return wanted


def _kept_share(
    found: Mapping[str, Tensor], wanted: Mapping[str, tuple[Tensor, Tensor]]
) -> float | None:
    """Of the change's squared length, the share that is not lost to rounding; None without a change."""
    change = lost = 0.0
    for name, (before, after) in wanted.items():
        if name in found and found[name].shape == after.shape and not after.equal(before):
            change += (after - before).square().sum(dtype=torch.float64).item()
            lost += (found[name].float() - after).square().sum(dtype=torch.float64).item()
    return 1 - lost / change if change else None
