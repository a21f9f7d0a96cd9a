"""A base model as a diffusers folder: what it is and which files are its weights. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.bases.configuration import Configuration, read_configuration, read_json
from studio.bases.families import FAMILIES, Family
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
    return {
        part: "diffusion_pytorch_model" if kind.startswith("diffusers.") else "model"
        for part, kind in FAMILIES[family].modules.items()
    }


def _weight_files(
    path: Path, weights: dict[str, str], name: str
) -> tuple[str | None, tuple[Path, ...]]:
    for variant in (None, "fp16"):
        parts = [part_files(path / part, stem, variant) for part, stem in weights.items()]
        if all(parts):
            files = tuple(file for part in parts for file in part)
            for file in files:
                _check_whole(file, name)
            return variant, files
    missing = [part for part, stem in weights.items() if not part_files(path / part, stem, None)]
    raise BaseModelError(
        f"base model {name!r} has no safetensors weights in {', '.join(missing)}; fetch or convert "
        "them (pickled .bin weights are not read)"
    )


def part_files(folder: Path, stem: str, variant: str | None) -> list[Path]:
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
        raise BaseModelError(
            f"base model {name!r}: the shard {short} is missing; fetch it"
        ) from error
    except (TensorFileError, OSError) as error:
        why = error.with_remedy if isinstance(error, TensorFileError) else f"{error}; fetch it anew"
        raise BaseModelError(f"base model {name!r}: {short} cannot be used: {why}") from error
