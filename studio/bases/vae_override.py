"""Another VAE in the place of a base model's own: where it lies, and whether it fits. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from studio.bases.checkpoint_header import Shaped, is_checkpoint, is_pickled, read_checkpoint_header
from studio.bases.configuration import read_json
from studio.bases.diffusers_folder import DiffusersFolder, part_files
from studio.bases.digests import file_digest, weights_digest
from studio.bases.single_file import PICKLED_REMARK, VAE, SingleFile
from studio.bases.source import locate
from studio.errors import BaseModelError

T = TypeVar("T")
CLASS = "AutoencoderKL"
_ORIGINAL, _DIFFUSERS = "encoder.down.0.", "encoder.down_blocks.0."


@dataclass(frozen=True)
class VaeOverride:
    """A checked VAE.

    Attributes:
        path: a folder with ``config.json`` and the weights, or a file.
        config_folder: holds the ``config.json`` that it is made by.
        variant: of a folder's weight files, e.g. ``fp16``.
        weight_files: every file that is loaded.
        is_original: whether a file's tensors have the original names, not diffusers'.
        remarks: what the user should know of it.
    """

    path: Path
    config_folder: Path
    variant: str | None
    weight_files: tuple[Path, ...]
    is_original: bool = False
    remarks: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over its weights, hexadecimal."""
        if self.path.is_dir():
            return weights_digest(self.path, self.weight_files)
        return file_digest(self.path)


def find_vae(name: str, base: DiffusersFolder | SingleFile) -> VaeOverride:
    """Find the VAE ``name`` and compare it with what the base model's U-Net works on.

    Args:
        name: a VAE's folder, a model's folder with ``vae/`` in it, a file, or a hub id.

    Raises:
        BaseModelError: it is not here, broken, no VAE, or it does not fit; begins with ``base.vae``.
    """
    if base.configuration.family == "svd":
        raise BaseModelError(
            f"base.vae {name!r} cannot be used: models of family svd decode clips with a VAE of their "
            "own; leave base.vae empty"
        )
    try:
        path = _located(name)
        own = (base.config_folder if isinstance(base, SingleFile) else base.path) / "vae"
        found = _of_folder(path, name) if path.is_dir() else _of_file(path, own, name)
        theirs, ours = (
            _latents(read_json(f / "config.json", name)) for f in (found.config_folder, own)
        )
    except BaseModelError as error:
        raise BaseModelError(str(error).replace("base model", "base.vae", 1)) from error
    if theirs != ours:
        raise BaseModelError(
            f"base.vae {name!r} makes latents of {theirs[0]} channels, 1/{theirs[1]} as wide as the "
            f"picture; the base model's U-Net reads {ours[0]} channels, 1/{ours[1]} as wide; give a "
            "VAE that was made for it"
        )
    return found


def _located(name: str) -> Path:
    path = Path(name).expanduser()
    return path if path.is_dir() else locate(name).path


def _latents(config: Mapping[str, Any]) -> tuple[int, int]:
    """Channels of the latents, and the factor between the picture's side and theirs."""
    return config.get("latent_channels", 4), 2 ** (len(config.get("block_out_channels", ())) - 1)


def _of_folder(folder: Path, name: str) -> VaeOverride:
    if (folder / "vae" / "config.json").is_file():
        folder = folder / "vae"
    config = read_json(folder / "config.json", name)
    if config.get("_class_name") != CLASS:
        raise BaseModelError(
            f"base model {name!r} is no VAE but a {config.get('_class_name')}; give an {CLASS}"
        )
    for variant in (None, "fp16"):
        if files := part_files(folder, "diffusion_pytorch_model", variant):
            for file in files:
                read_checkpoint_header(file, f"{name}/{file.name}")
            return VaeOverride(folder, folder, variant, tuple(files))
    raise BaseModelError(f"base model {name!r} has no safetensors weights in {folder}; fetch them")


def _of_file(path: Path, own: Path, name: str) -> VaeOverride:
    if not is_checkpoint(path):
        raise BaseModelError(f"base model {name!r} is no .safetensors, .ckpt or .pt file")
    tensors = plain_names(read_checkpoint_header(path, name).tensors)
    is_original = any(key.startswith(_ORIGINAL) for key in tensors)
    if not is_original and not any(key.startswith(_DIFFUSERS) for key in tensors):
        raise BaseModelError(f"base model {name!r} holds no VAE; give an {CLASS}")
    beside = path.parent / "config.json"
    folder = path.parent if not is_original and beside.is_file() else own
    _check_shapes(tensors, read_json(folder / "config.json", name), name, is_original)
    remarks = (PICKLED_REMARK,) if is_pickled(path) else ()
    return VaeOverride(path, folder, None, (path,), is_original, remarks)


def plain_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """A VAE's tensors without the beginning that they have in a whole checkpoint."""
    if any(key.startswith(VAE) for key in tensors):
        return {k.removeprefix(VAE): v for k, v in tensors.items() if k.startswith(VAE)}
    return dict(tensors)


def _check_shapes(
    tensors: Mapping[str, Shaped], config: Mapping[str, Any], name: str, is_original: bool
) -> None:
    """Compare a file with the configuration that it will be made by."""
    where = "down" if is_original else "down_blocks"
    levels = {key.split(".")[2] for key in tensors if key.startswith(f"encoder.{where}.")}
    first, last = (tensors.get(f"{part}.conv_in.weight") for part in ("encoder", "decoder"))
    widths = config["block_out_channels"]
    if first is None or last is None:
        raise BaseModelError(f"base model {name!r} lacks an encoder or a decoder; give a whole VAE")
    found = (first.shape[0], last.shape[1], len(levels))
    expected = (widths[0], config.get("latent_channels", 4), len(widths))
    if found != expected:
        raise BaseModelError(
            f"base model {name!r} has width {found[0]}, {found[1]} latent channels and {found[2]} "
            f"levels; the base model asks for {expected[0]}, {expected[1]} and {expected[2]}; give a "
            "VAE that was made for it"
        )
