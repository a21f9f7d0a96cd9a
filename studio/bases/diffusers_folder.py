"""A base model as a diffusers folder: what it is and which files are its weights. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.bases.base_model import Family
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import BaseModelError

WIDTHS: dict[int, Family] = {768: "sd1", 1024: "sd2"}
WEIGHT_NAMES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


@dataclass(frozen=True)
class Configuration:
    """What a folder's configuration files say.

    Attributes:
        family: the architecture family.
        resolution_px: side of the training pictures: the U-Net's sample size times the VAE's factor.
    """

    family: Family
    resolution_px: int


@dataclass(frozen=True)
class DiffusersFolder:
    """A checked diffusers folder.

    Attributes:
        path: the folder with ``model_index.json``.
        configuration: family and resolution.
        variant: the weight files' infix, e.g. ``fp16``; None where they have none.
        weight_files: every file that is loaded, sharded ones included.
    """

    path: Path
    configuration: Configuration
    variant: str | None
    weight_files: tuple[Path, ...]


def read_diffusers_folder(path: Path, name: str) -> DiffusersFolder:
    """Look at a folder's configurations and weight files' headers.

    Raises:
        BaseModelError: it is no diffusers model, its family is unknown or not supported, or a
            weight file is missing or broken; the message begins with ``name``.
    """
    configuration = read_configuration(path, name)
    variant, files = _weight_files(path, name)
    return DiffusersFolder(path, configuration, variant, files)


def read_configuration(path: Path, name: str) -> Configuration:
    """Look at a folder's configurations alone; a single file's stand in a folder without weights.

    Raises:
        BaseModelError: one is missing or broken, or the family is unknown or not supported.
    """
    index = _json(path / "model_index.json", name)
    unet = _json(path / "unet" / "config.json", name)
    family = _family(path, index, unet, name)
    check_supported(family, name)
    vae = _json(path / "vae" / "config.json", name)
    try:
        resolution_px = int(unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1))
    except (KeyError, TypeError) as error:
        raise BaseModelError(
            f"base model {name!r} has no sample_size in unet/config.json or no block_out_channels "
            "in vae/config.json; copy its configuration files anew"
        ) from error
    return Configuration(family, resolution_px)


def check_supported(family: Family, name: str) -> None:
    """Refuse families that are recognised and cannot be trained on."""
    if family not in ("sd1", "sd2"):
        raise BaseModelError(
            f"base model {name!r} is of family {family}, which cannot be trained on yet; "
            "give one of Stable Diffusion 1.x or 2.x"
        )


def _family(path: Path, index: dict[str, Any], unet: dict[str, Any], name: str) -> Family:
    if unet.get("_class_name") == "UNetSpatioTemporalConditionModel":
        return "svd"
    if "text_encoder_2" in index:
        return "sdxl"
    marker = path / "pocket.json"
    # pocket has SD 1.5's module tree at widths of its own, so no width tells its family.
    if marker.is_file() and _json(marker, name).get("family") == "sd1":
        return "sd1"
    width = unet.get("cross_attention_dim")
    if width not in WIDTHS:
        raise BaseModelError(
            f"base model {name!r} is of an unknown family: its U-Net's cross_attention_dim is "
            f"{width!r}, not 768 (SD 1.x) or 1024 (SD 2.x)"
        )
    return WIDTHS[width]


def _json(path: Path, name: str) -> dict[str, Any]:
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


def _weight_files(path: Path, name: str) -> tuple[str | None, tuple[Path, ...]]:
    for variant in (None, "fp16"):
        parts = [_part_files(path / part, stem, variant) for part, stem in WEIGHT_NAMES.items()]
        if all(parts):
            files = tuple(file for part in parts for file in part)
            for file in files:
                _check_whole(file, name)
            return variant, files
    missing = [p for p, stem in WEIGHT_NAMES.items() if not _part_files(path / p, stem, None)]
    raise BaseModelError(
        f"base model {name!r} has no safetensors weights in {', '.join(missing)}; fetch or convert "
        "them (pickled .bin weights are not read)"
    )


def _part_files(folder: Path, stem: str, variant: str | None) -> list[Path]:
    """The one weight file of a part, or the shards that its index names."""
    infix = f".{variant}" if variant else ""
    whole = folder / f"{stem}{infix}.safetensors"
    if whole.is_file():
        return [whole]
    index = folder / f"{stem}.safetensors.index{infix}.json"
    if not index.is_file():
        return []
    shards = set(_json(index, folder.parent.name).get("weight_map", {}).values())
    return [folder / Path(shard).name for shard in sorted(shards)]


def _check_whole(file: Path, name: str) -> None:
    short = f"{file.parent.name}/{file.name}"
    try:
        read_layout(file)
    except FileNotFoundError as error:
        raise BaseModelError(f"base model {name!r}: the shard {short} is missing") from error
    except (TensorFileError, OSError) as error:
        raise BaseModelError(
            f"base model {name!r}: {short} cannot be used: {error}; fetch it anew"
        ) from error
