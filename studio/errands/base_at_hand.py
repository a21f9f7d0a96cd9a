"""The base model of the last drawing, kept for the next: loading takes longer than a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.placement import release, working_device
from studio.bases.settings import BaseSettings
from studio.preview.partner import load_partner
from studio.preview.settings import SamplingSettings


@dataclass(frozen=True)
class _Kept:
    stands_for: tuple[Any, ...]
    base: BaseModel


_newest: list[_Kept] = []
"""One at most: a second base would take as much memory again."""


def base_at_hand(name: str, settings: BaseSettings, sampling: SamplingSettings) -> BaseModel:
    """A clean base model to draw with. Whoever puts something on it takes it off again.

    Raises:
        BaseModelError: it, or what draws together with it, is not here or not whole.
    """
    identity = identify_base(name, vae=settings.vae)
    partners = sampling.refiner, sampling.refiner_base
    wanted = (name, identity.digest, settings, partners, sampling.offload)
    if _newest and _newest[0].stands_for == wanted:
        return _newest[0].base
    _newest.clear()
    release()
    base = load_base(name, settings, device=working_device(), offload=sampling.offload)
    load_partner(base, sampling)
    _newest.append(_Kept(wanted, base))
    return base
