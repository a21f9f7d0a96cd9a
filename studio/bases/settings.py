"""The recipe's ``base:`` section: what of the base model is used otherwise than it came. No torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from studio.bases.source import HUB_ID
from studio.place import Place
from studio.settings import Section

Offload = Literal["auto", "none", "model"]
"""Whether a base model's parts wait in main memory until they are needed on the GPU."""

ModelName = Annotated[str, Place(never="(pocket)?", unless_here=HUB_ID.pattern)]
"""A model by its folder or file, or by its id on the hub; ``pocket`` ships with the studio."""


class BaseSettings(Section):
    """Parts of the base model that are replaced, and how it is read."""

    vae: ModelName = ""
    """Another VAE for the base's own, such as SDXL's that was mended for fp16: a folder, a
    ``.safetensors``, ``.ckpt`` or ``.pt`` file, or a hub id. Empty: the base's own."""

    clip_skip: int = Field(1, ge=1, le=12)
    """Which layer of the text encoder is read, counted from the end: 1 is the last, as most bases
    were trained; some of SD 1.x's descendants want 2. SDXL reads the second from the end at 1 and 2."""
