"""A base model as a diffusers folder: what it is and which files are its weights. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.bases.base_model import TEXT_ENCODERS, Family
from studio.bases.configuration import Configuration, read_configuration, read_json
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import BaseModelError


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
    variant, files = _weight_files(path, weight_names(configuration.family), name)
    return DiffusersFolder(path, configuration, variant, files)


def weight_names(family: Family) -> dict[str, str]:
    """By part, what its weight file is called without variant and ending."""
    diffusers_parts = dict.fromkeys(("unet", "vae"), "diffusion_pytorch_model")
    return diffusers_parts | dict.fromkeys(TEXT_ENCODERS[family], "model")


def _weight_files(
    path: Path, weights: dict[str, str], name: str
) -> tuple[str | None, tuple[Path, ...]]:
    for variant in (None, "fp16"):
        parts = [_part_files(path / part, stem, variant) for part, stem in weights.items()]
        if all(parts):
            files = tuple(file for part in parts for file in part)
            for file in files:
                _check_whole(file, name)
            return variant, files
    missing = [part for part, stem in weights.items() if not _part_files(path / part, stem, None)]
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
    shards = set(read_json(index, folder.parent.name).get("weight_map", {}).values())
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
