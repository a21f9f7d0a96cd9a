"""The recipe's ``export:`` section: which files a run leaves behind."""

from __future__ import annotations

from typing import Literal

from studio.settings import Section


class ExportSettings(Section):
    """File formats and number format of the exported adapter."""

    formats: tuple[str, ...] = ()
    """File formats to write. Empty: the method's first, which the webuis and ComfyUI read. LoRA has
    ``kohya`` and ``diffusers``, of which SDXL's refiner and Stable Video Diffusion know the second only;
    whole weights have ``checkpoint``, ``diffusers`` and ``extracted``."""

    dtype: Literal["fp32", "fp16", "bf16"] = "fp16"
    """Number format of the file. fp16 is what the field exchanges."""
