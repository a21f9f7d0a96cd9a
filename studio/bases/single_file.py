"""A base model as one ``.safetensors`` in the original naming: what it is. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.bases.base_model import Family
from studio.bases.diffusers_folder import Configuration, check_supported, read_configuration
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import BaseModelError

CROSS_ATTENTION = (
    "model.diffusion_model.input_blocks.{block}.1.transformer_blocks.0.attn2.to_k.weight"
)
WIDTHS: dict[int, Family] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
# The first block with attention: SD 1.x and 2.x have it in block 1, SDXL in block 4.
BLOCKS = (1, 4)


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
    family = _family(path, name)
    check_supported(family, name)
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


def _family(path: Path, name: str) -> Family:
    try:
        tensors = read_layout(path).tensors
    except (TensorFileError, OSError) as error:
        raise BaseModelError(
            f"base model {name!r} cannot be read: {error}; fetch it anew"
        ) from error
    keys = [CROSS_ATTENTION.format(block=block) for block in BLOCKS]
    shape = next((tensors[key].shape for key in keys if key in tensors), ())
    if len(shape) != 2 or shape[1] not in WIDTHS:
        raise BaseModelError(
            f"base model {name!r} is not a Stable Diffusion checkpoint in the original naming; "
            "is it an adapter?"
        )
    return WIDTHS[shape[1]]
