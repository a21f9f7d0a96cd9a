"""A base model as one file in the original naming: what it is. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studio.bases.checkpoint_header import (
    CheckpointHeader,
    Shaped,
    is_pickled,
    read_checkpoint_header,
)
from studio.bases.configuration import (
    Configuration,
    check_channels,
    read_configuration,
    read_json,
)
from studio.bases.families import FAMILIES, Family
from studio.bases.other_models import other_model
from studio.bases.prediction import prediction_of
from studio.bases.published import published_folder
from studio.errors import BaseModelError

FIRST_CONVOLUTION = "model.diffusion_model.input_blocks.0.0.weight"
UNET, VAE = "model.diffusion_model.", "first_stage_model."
PICKLED_REMARK = "pickled: read without running its code; prefer .safetensors"
XT = ("xt", "25")


@dataclass(frozen=True)
class SingleFile:
    """A checked single file.

    Attributes:
        path: the file.
        config_folder: the configuration files, for the file holds none: the diffusers folder beside
            it, named as it without the ending, or else the published model's.
        configuration: family and resolution.
        scheduler: what the noise scheduler's configuration has in place of the folder's.
        has_vae: whether the file holds one.
        remarks: what the user should know of it.
    """

    path: Path
    config_folder: Path
    configuration: Configuration
    scheduler: Mapping[str, object] = field(default_factory=dict)
    has_vae: bool = True
    remarks: tuple[str, ...] = ()


def read_single_file(path: Path, name: str) -> SingleFile:
    """Look at a file's header and the configuration beside it, if there is one.

    Raises:
        BaseModelError: the file is broken, no Stable Diffusion model, of an unsupported family, or of
            other widths than the published model while there is no configuration folder beside it.
    """
    header = read_checkpoint_header(path, name)
    family = checkpoint_family(header.tensors, name)
    check_channels(header.tensors[FIRST_CONVOLUTION].shape[1], family, name)
    beside = path.with_suffix("")
    found = (
        _with_folder_beside(path, beside, family, name)
        if beside.is_dir()
        else _as_published(path, header, family, name)
    )
    pickled = (PICKLED_REMARK,) if is_pickled(path) else ()
    return SingleFile(
        path=path,
        config_folder=found.config_folder,
        configuration=found.configuration,
        scheduler=found.scheduler,
        has_vae=any(key.startswith(VAE) for key in header.tensors),
        remarks=(*pickled, *found.remarks),
    )


def checkpoint_family(tensors: Mapping[str, Shaped], name: str) -> Family:
    """The family of a checkpoint in the original naming, by its tensors' names.

    Raises:
        BaseModelError: it is no whole checkpoint of one family.
    """
    if what := other_model(tensors):
        raise BaseModelError(f"base model {name!r} is {what}")
    is_unet = FIRST_CONVOLUTION in tensors and len(tensors[FIRST_CONVOLUTION].shape) > 1
    families = [
        family
        for family, record in FAMILIES.items()
        if any(key.startswith(record.checkpoint_keys) for key in tensors)
    ]
    if not is_unet or len(families) > 1:
        raise BaseModelError(
            f"base model {name!r} is not a whole Stable Diffusion checkpoint in the original "
            "naming; is it an adapter, or a part of a model?"
        )
    if not families:
        raise BaseModelError(
            f"base model {name!r} holds a U-Net without its text encoder; give the whole checkpoint"
        )
    return families[0]


def _with_folder_beside(path: Path, folder: Path, family: Family, name: str) -> SingleFile:
    configuration = read_configuration(folder, name)
    if configuration.family != family:
        raise BaseModelError(
            f"base model {name!r} is of family {family}, but the configuration in {folder.name}/ "
            f"is of family {configuration.family}"
        )
    return SingleFile(path, folder, configuration)


def _as_published(path: Path, header: CheckpointHeader, family: Family, name: str) -> SingleFile:
    # A model of the hub may say in its own name what its file does not.
    called = f"{Path(name).name} {path.name}".lower()
    prediction = prediction_of(header, family, called)
    is_xt = family == "svd" and any(part in called for part in XT)
    folder = published_folder(family, predicts_v=prediction.is_v, is_xt=is_xt)
    width = header.tensors[FIRST_CONVOLUTION].shape[0]
    published = read_json(folder / "unet" / "config.json", name)["block_out_channels"][0]
    if width != published:
        raise BaseModelError(
            f"base model {name!r} has a U-Net of width {width}, not {published} as the published "
            f"{FAMILIES[family].title}; put the configuration files and the tokenizer of its "
            f"diffusers version into a folder {path.stem}/ beside it"
        )
    remarks = [prediction.remark] if prediction.remark else []
    if family == "svd":
        remarks.append(_frames_remark(is_xt))
    configuration = read_configuration(folder, name)
    return SingleFile(
        path, folder, configuration, scheduler=prediction.scheduler, remarks=tuple(remarks)
    )


def _frames_remark(is_xt: bool) -> str:
    """The weights of both have the same shapes."""
    frames, why = (25, "its name says xt") if is_xt else (14, "its name does not say xt")
    return f"taken for the model of {frames} frames, for {why}; the file does not tell"
