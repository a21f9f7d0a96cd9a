"""SDXL's other stage: the refiner of a base, or the base of a refiner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.bases.families import FAMILIES, Family
from studio.bases.identity import BaseIdentity, identify_base
from studio.errors import BaseModelError
from studio.preview.settings import SamplingSettings

if TYPE_CHECKING:
    from studio.bases.base_model import BaseModel

PARTNERS: dict[Family, Family] = {"sdxl": "sdxl_refiner", "sdxl_refiner": "sdxl"}
"""Which family draws a picture together with which."""


def partner_name(family: Family, sampling: SamplingSettings) -> str:
    """The model that draws together with one of ``family``; empty where it draws alone.

    Raises:
        BaseModelError: one is named for a family that has none, or the refiner lacks its base.
    """
    named = {"sdxl": sampling.refiner, "sdxl_refiner": sampling.refiner_base}
    for other, name in named.items():
        if name and other != family:
            setting = "refiner" if other == "sdxl" else "refiner_base"
            raise BaseModelError(
                f"sampling.{setting}: {name}, but the base model is {FAMILIES[family].title}; "
                "leave it out"
            )
    if family == "sdxl_refiner" and not sampling.refiner_base:
        raise BaseModelError(
            "sampling.refiner_base: missing; SDXL's refiner only finishes pictures, name the SDXL base "
            "that begins them"
        )
    return named.get(family, "")


def identify_partner(family: Family, sampling: SamplingSettings) -> BaseIdentity | None:
    """The other stage, found and looked at; None where a model draws alone.

    Raises:
        BaseModelError: it is not here, not whole, or not the other stage.
    """
    name = partner_name(family, sampling)
    if not name:
        return None
    identity = identify_base(name)
    if identity.family != PARTNERS[family]:
        raise BaseModelError(
            f"{name} is {FAMILIES[identity.family].title}, which does not draw together with "
            f"{FAMILIES[family].title}; give {FAMILIES[PARTNERS[family]].title}"
        )
    return identity


def load_partner(base: BaseModel, sampling: SamplingSettings) -> None:
    """Put the other stage beside a model, on its device and in its number format, where there is one.

    Raises:
        BaseModelError: as `identify_partner`, or it cannot be loaded.
    """
    from studio.bases.loading import load_base

    identity = identify_partner(base.family, sampling)
    if identity is not None:
        base.partner = load_base(identity.name, device=base.device, dtype=base.unet.dtype)
        base.partner.offload_to = base.offload_to
