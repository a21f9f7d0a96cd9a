"""What the configuration files of a diffusers folder say of a base model. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from studio.bases.families import FAMILIES, Family
from studio.errors import BaseModelError

DEFAULT_FRAMES = 25
"""Of a U-Net that does not say: what diffusers makes of it."""
WIDTHS: dict[int, Family] = {768: "sd1", 1024: "sd2"}


@dataclass(frozen=True)
class Configuration:
    """What a folder's configuration files say.

    Attributes:
        family: the architecture family.
        resolution_px: side of the training pictures: the U-Net's sample size times the VAE's factor.
        force_zeros_for_empty_prompt: as in `BaseModel`.
        num_frames: of the clips that it makes; None where it draws pictures.
    """

    family: Family
    resolution_px: int
    force_zeros_for_empty_prompt: bool
    num_frames: int | None = None


def read_configuration(path: Path, name: str) -> Configuration:
    """Look at a folder's configurations alone; a single file's stand in a folder without weights.

    Raises:
        BaseModelError: one is missing or broken, or the family is unknown or not supported; the
            message begins with ``name``.
    """
    index = read_json(path / "model_index.json", name)
    unet = read_json(path / "unet" / "config.json", name)
    family = _family(path, index, unet, name)
    check_channels(unet.get("in_channels", 4), family, name)
    vae = read_json(path / "vae" / "config.json", name)
    try:
        resolution_px = int(unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1))
    except (KeyError, TypeError) as error:
        raise BaseModelError(
            f"base model {name!r} has no sample_size in unet/config.json or no block_out_channels "
            "in vae/config.json; copy its configuration files anew"
        ) from error
    # Absent, it is on: that is the default of diffusers' pipeline for this family.
    zeros = family in ("sdxl", "sdxl_refiner") and bool(
        index.get("force_zeros_for_empty_prompt", True)
    )
    makes_clips = FAMILIES[family].makes_clips
    num_frames = int(unet.get("num_frames", DEFAULT_FRAMES)) if makes_clips else None
    return Configuration(family, resolution_px, zeros, num_frames)


def check_channels(in_channels: int, family: Family, name: str) -> None:
    """Refuse U-Nets that read more than their family's: there is nothing to put into the rest."""
    expected = FAMILIES[family].in_channels
    if in_channels != expected:
        raise BaseModelError(
            f"base model {name!r} reads {in_channels} channels, not {expected}: it is made "
            "for inpainting, editing or upscaling; give the plain text-to-image model"
        )


def read_json(path: Path, name: str) -> dict[str, Any]:
    """One configuration file.

    Raises:
        BaseModelError: it is missing, broken or no JSON object.
    """
    where = f"base model {name!r}"
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BaseModelError(
            f"{where} is not a diffusers model: {path.parent.name}/{path.name} is missing"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BaseModelError(
            f"{where} cannot be read: {path.parent.name}/{path.name} is broken ({error})"
        ) from error
    if not isinstance(content, dict):
        raise BaseModelError(f"{where} cannot be read: {path.name} is not a JSON object")
    return content


def _family(path: Path, index: dict[str, Any], unet: dict[str, Any], name: str) -> Family:
    if unet.get("_class_name") == "UNetSpatioTemporalConditionModel":
        return "svd"
    if unet.get("addition_embed_type") == "text_time":
        # The refiner has the second text encoder alone.
        return "sdxl" if any(index.get("text_encoder") or ()) else "sdxl_refiner"
    marker = path / "pocket.json"
    # pocket has SD 1.5's module tree at widths of its own, so no width tells its family.
    stated = read_json(marker, name).get("family") if marker.is_file() else None
    if stated in WIDTHS.values():
        return cast("Family", stated)
    width = unet.get("cross_attention_dim")
    family = WIDTHS.get(width) if isinstance(width, int) else None
    if family is None:
        raise BaseModelError(
            f"base model {name!r} is of an unknown family: its U-Net's cross_attention_dim is "
            f"{width!r}, not 768 (SD 1.x) or 1024 (SD 2.x), and it has no text_time embedding (SDXL)"
        )
    return family
