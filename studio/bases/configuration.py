"""What the configuration files of a diffusers folder say of a base model. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.bases.base_model import Family
from studio.errors import BaseModelError

LATENT_CHANNELS = 4
WIDTHS: dict[int, Family] = {768: "sd1", 1024: "sd2"}


@dataclass(frozen=True)
class Configuration:
    """What a folder's configuration files say.

    Attributes:
        family: the architecture family.
        resolution_px: side of the training pictures: the U-Net's sample size times the VAE's factor.
        force_zeros_for_empty_prompt: as in `BaseModel`.
    """

    family: Family
    resolution_px: int
    force_zeros_for_empty_prompt: bool


def read_configuration(path: Path, name: str) -> Configuration:
    """Look at a folder's configurations alone; a single file's stand in a folder without weights.

    Raises:
        BaseModelError: one is missing or broken, or the family is unknown or not supported; the
            message begins with ``name``.
    """
    index = read_json(path / "model_index.json", name)
    unet = read_json(path / "unet" / "config.json", name)
    family = _family(path, index, unet, name)
    check_supported(family, name)
    check_channels(unet.get("in_channels", LATENT_CHANNELS), name)
    vae = read_json(path / "vae" / "config.json", name)
    try:
        resolution_px = int(unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1))
    except (KeyError, TypeError) as error:
        raise BaseModelError(
            f"base model {name!r} has no sample_size in unet/config.json or no block_out_channels "
            "in vae/config.json; copy its configuration files anew"
        ) from error
    # Absent, it is on: that is the default of diffusers' pipeline for this family.
    zeros = family == "sdxl" and bool(index.get("force_zeros_for_empty_prompt", True))
    return Configuration(family, resolution_px, zeros)


def check_supported(family: Family, name: str) -> None:
    """Refuse families that are recognised and cannot be trained on."""
    if family == "svd":
        raise BaseModelError(
            f"base model {name!r} is of family svd, which cannot be trained on yet; "
            "give one of Stable Diffusion 1.x, 2.x or XL"
        )


def check_channels(in_channels: int, name: str) -> None:
    """Refuse U-Nets that read more than noisy latents: there is nothing to put into the rest."""
    if in_channels != LATENT_CHANNELS:
        raise BaseModelError(
            f"base model {name!r} reads {in_channels} channels, not {LATENT_CHANNELS}: it is made "
            "for inpainting, editing or upscaling; give the plain text-to-image model"
        )


def refiner_error(name: str) -> BaseModelError:
    """The error for SDXL's refiner: it has the second text encoder alone and draws from a picture."""
    return BaseModelError(
        f"base model {name!r} is SDXL's refiner, which cannot be trained on; give the SDXL base"
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
        if not any(index.get("text_encoder") or ()):
            raise refiner_error(name)
        return "sdxl"
    marker = path / "pocket.json"
    # pocket has SD 1.5's module tree at widths of its own, so no width tells its family.
    if marker.is_file() and read_json(marker, name).get("family") == "sd1":
        return "sd1"
    width = unet.get("cross_attention_dim")
    family = WIDTHS.get(width) if isinstance(width, int) else None
    if family is None:
        raise BaseModelError(
            f"base model {name!r} is of an unknown family: its U-Net's cross_attention_dim is "
            f"{width!r}, not 768 (SD 1.x) or 1024 (SD 2.x), and it has no text_time embedding (SDXL)"
        )
    return family
