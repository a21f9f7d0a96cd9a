"""The configurations that ship: full size, on the meta device, against what is known of the models."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import diffusers
import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from torch import Tensor
from transformers import PreTrainedModel

from studio.bases.base_model import BaseModel
from studio.bases.configuration import read_configuration
from studio.bases.families import FAMILIES, Family
from studio.bases.file_parts import empty_part
from studio.bases.modules import _class
from studio.bases.published import PUBLISHED

# Parameters of each part, as their makers and the models' cards count them, to the last one.
PARAMETERS: dict[str, dict[str, int]] = {
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2_768": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    },
    "sdxl_refiner": {
        "unet": 2_259_526_660,
        "vae": 83_653_863,
        "text_encoder_2": 694_659_840,
    },
    "svd": {"unet": 1_524_623_082, "vae": 97_742_847, "image_encoder": 632_076_800},
}
SAYS: dict[str, tuple[Family, int, str]] = {
    "sd1": ("sd1", 512, "epsilon"),
    "sd2_512": ("sd2", 512, "epsilon"),
    "sd2_768": ("sd2", 768, "v_prediction"),
    "sdxl": ("sdxl", 1024, "epsilon"),
    "sdxl_refiner": ("sdxl_refiner", 1024, "epsilon"),
    "svd": ("svd", 768, "v_prediction"),
    "svd_xt": ("svd", 768, "v_prediction"),
}
Naming = Callable[[BaseModel], dict[str, Tensor]]


@cache
def parts(variant: str) -> dict[str, Any]:
    family, _, _ = SAYS[variant]
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        # First values have no memory to go into, but take their time.
        for kind in (torch.nn.Linear, torch.nn.Embedding, torch.nn.modules.conv._ConvNd):
            patch.setattr(kind, "reset_parameters", lambda self: None)
        patch.setattr(PreTrainedModel, "init_weights", lambda self: None)
        return {
            part: empty_part(_class(kind), PUBLISHED / variant / part).to("meta")
            for part, kind in FAMILIES[family].modules.items()
        }


def test_every_folder_is_known() -> None:
    assert {folder.name for folder in PUBLISHED.iterdir()} == {*SAYS, "clip"}


@pytest.mark.parametrize(
    ("variant", "like", "differs"),
    [("sd2_512", "sd2_768", {"sample_size"}), ("svd_xt", "svd", {"num_frames"})],
)
def test_two_have_the_weights_shapes_of_another(variant: str, like: str, differs: set[str]) -> None:
    for file in (PUBLISHED / variant).rglob("config.json"):
        one = json.loads(file.read_text("utf-8"))
        other = json.loads((PUBLISHED / like / file.relative_to(PUBLISHED / variant)).read_text())
        assert {key for key in one | other if one.get(key) != other.get(key)} <= differs


@pytest.mark.parametrize("variant", PARAMETERS)
def test_each_has_the_published_number_of_parameters(variant: str) -> None:
    found = {
        name: sum(p.numel() for p in part.parameters()) for name, part in parts(variant).items()
    }
    assert found == PARAMETERS[variant]


@pytest.mark.parametrize("variant", SAYS)
def test_each_says_family_size_and_prediction(variant: str) -> None:
    configuration = read_configuration(PUBLISHED / variant, variant)
    scheduler = json.loads((PUBLISHED / variant / "scheduler/scheduler_config.json").read_text())
    assert SAYS[variant] == (
        configuration.family,
        configuration.resolution_px,
        scheduler["prediction_type"],
    )
    made = getattr(diffusers, scheduler["_class_name"]).from_config(scheduler)
    assert float(made.alphas_cumprod[-1]) == pytest.approx(0.0047, abs=1e-4)
    assert configuration.force_zeros_for_empty_prompt is (variant == "sdxl")


@pytest.mark.parametrize("variant", ["sd1", "sd2_768", "sdxl", "sdxl_refiner"])
def test_diffusers_finds_all_that_it_asks_for_in_a_file_of_full_size(
    variant: str, in_original_naming: Naming
) -> None:
    """Names and shapes only, both ways round: to the original naming and by its converter back."""
    made = parts(variant)
    text_encoders = [made[p] for p in ("text_encoder", "text_encoder_2") if p in made]
    base = BaseModel(
        name=variant,
        family=SAYS[variant][0],
        digest="",
        resolution_px=0,
        unet=made["unet"],
        vae=made["vae"],
        text_encoders=text_encoders,
        tokenizers=[],
        noise_scheduler=cast("Any", None),
    )
    file = in_original_naming(base)
    for part, convert in (
        ("unet", convert_ldm_unet_checkpoint),
        ("vae", convert_ldm_vae_checkpoint),
    ):
        config = json.loads((PUBLISHED / variant / part / "config.json").read_text())
        found = convert(dict(file), config)  # type: ignore[no-untyped-call]
        expected = {name: tensor.shape for name, tensor in made[part].state_dict().items()}
        assert {name: tensor.shape for name, tensor in found.items()} == expected, part


def test_the_names_of_full_size_files_are_the_known_ones(in_original_naming: Naming) -> None:
    """Some that diffusers, ComfyUI and A1111 tell families by, with the shapes that they know."""
    made = parts("sdxl_refiner")
    base = BaseModel(
        **{"name": "", "family": "sdxl_refiner", "digest": "", "resolution_px": 0},
        unet=made["unet"],
        vae=made["vae"],
        text_encoders=[made["text_encoder_2"]],
        tokenizers=[],
        noise_scheduler=cast("Any", None),
    )
    file = in_original_naming(base)
    shapes = {
        "conditioner.embedders.0.model.text_projection": (1280, 1280),
        "conditioner.embedders.0.model.transformer.resblocks.31.attn.in_proj_weight": (3840, 1280),
        "model.diffusion_model.input_blocks.0.0.weight": (384, 4, 3, 3),
        "model.diffusion_model.label_emb.0.0.weight": (1536, 2560),
        "model.diffusion_model.middle_block.1.transformer_blocks.3.attn2.to_k.weight": (1536, 1280),
        "model.diffusion_model.output_blocks.8.2.conv.weight": (768, 768, 3, 3),
    }
    assert {name: tuple(file[name].shape) for name in shapes} == shapes


def test_no_configuration_names_a_place(tmp_path: Path) -> None:
    for file in PUBLISHED.rglob("*.json"):
        assert "_name_or_path" not in json.loads(file.read_text("utf-8")), file
