"""A base model as one ``.safetensors`` in the original naming: what it is. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.bases.base_model import Family
from studio.bases.configuration import (
    Configuration,
    check_channels,
    check_supported,
    read_configuration,
    refiner_error,
)
from studio.bases.tensor_file import TensorFileError, TensorPlace, read_layout
from studio.errors import BaseModelError

FIRST_CONVOLUTION = "model.diffusion_model.input_blocks.0.0.weight"
# A file's text encoders tell its family; widths do not, for models of other widths exist.
TEXT_ENCODER_KEYS: dict[str, Family] = {
    "cond_stage_model.transformer.": "sd1",
    "cond_stage_model.model.": "sd2",
    "conditioner.embedders.0.transformer.": "sdxl",
    "conditioner.embedders.0.open_clip.": "svd",
}
REFINER_KEYS = "conditioner.embedders.0.model."


@dataclass(frozen=True)
class SingleFile:
    """A checked single file.

    Attributes:
        path: the file.
        config_folder: the diffusers folder beside it, named as it without the ending, with the
            configuration files and the tokenizer, for the file holds neither.
        configuration: family and resolution.
    """

    path: Path
    config_folder: Path
    configuration: Configuration


def read_single_file(path: Path, name: str) -> SingleFile:
    """Look at a file's header and the configuration beside it.

    Raises:
        BaseModelError: the file is broken, no Stable Diffusion model, or of an unsupported family,
            or there is no configuration folder beside it.
    """
    tensors = _tensors(path, name)
    family = checkpoint_family(tensors, name)
    check_channels(tensors[FIRST_CONVOLUTION].shape[1], name)
    folder = path.with_suffix("")
    if not folder.is_dir():
        raise BaseModelError(
            f"base model {name!r} holds no configuration and no tokenizer; put those of its "
            f"diffusers version (all but the weights) into a folder {folder.name}/ beside it"
        )
    configuration = read_configuration(folder, name)
    if configuration.family != family:
        raise BaseModelError(
            f"base model {name!r} is of family {family}, but the configuration in {folder.name}/ "
            f"is of family {configuration.family}"
        )
    return SingleFile(path, folder, configuration)


def _tensors(path: Path, name: str) -> dict[str, TensorPlace]:
    try:
        return read_layout(path).tensors
    except (TensorFileError, OSError) as error:
        raise BaseModelError(
            f"base model {name!r} cannot be read: {error}; fetch it anew"
        ) from error


def checkpoint_family(tensors: Mapping[str, TensorPlace], name: str) -> Family:
    """The family of a checkpoint in the original naming, by its tensors' names.

    Raises:
        BaseModelError: it is no whole checkpoint, or of a family that is not supported.
    """
    is_unet = FIRST_CONVOLUTION in tensors and len(tensors[FIRST_CONVOLUTION].shape) > 1
    if is_unet and any(key.startswith(REFINER_KEYS) for key in tensors):
        raise refiner_error(name)
    families = {
        f for start, f in TEXT_ENCODER_KEYS.items() if any(k.startswith(start) for k in tensors)
    }
    if not is_unet or len(families) != 1:
        raise BaseModelError(
            f"base model {name!r} is not a whole Stable Diffusion checkpoint in the original "
            "naming; is it an adapter, or a U-Net without its text encoder?"
        )
    family = families.pop()
    check_supported(family, name)
    return family
