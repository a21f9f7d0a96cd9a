"""Families of base models that only diffusers' naming has names for: the refiner, and clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import default_format, family_problems
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer


def test_a_refiners_lora_is_exported_without_a_word_on_formats(
    tiny_refiner: BaseModel, tmp_path: Path
) -> None:
    trainer = LoraTrainer(LoraSettings(rank=2), tiny_refiner, TrainingContext(64, seed=0))
    for group in trainer.attach():
        for number, parameter in enumerate(group.parameters.values()):
            parameter.data = RandomStreams(0).normal(parameter.shape, "weights", number)
    adapter = trainer.adapter()
    with trainer.detached():
        (file,) = export(adapter, tiny_refiner, tmp_path, "x", formats=[], dtype="fp32")
    assert (file.format, file.verdict.ok) == ("diffusers", True)
    assert [(tool.tool, tool.works) for tool in file.tools] == [("diffusers", True)]
    assert read_adapter(file.path).header.family == "sdxl_refiner"


@pytest.mark.parametrize(
    ("block", "width", "family"),
    [
        ("temporal_transformer_blocks.0", 1024, "svd"),
        ("transformer_blocks.1", 1280, "sdxl_refiner"),
        ("transformer_blocks.1", 2048, "sdxl"),
        ("transformer_blocks.0", 1024, "sd2"),
        ("transformer_blocks.0", 768, "sd1"),
    ],
)
def test_a_file_without_a_header_shows_its_family(
    block: str, width: int, family: str, tmp_path: Path
) -> None:
    layer = f"unet.mid_block.attentions.0.{block}.attn2.to_k"
    tensors = {
        f"{layer}.lora_A.weight": torch.ones(2, width),
        f"{layer}.lora_B.weight": torch.ones(8, 2),
    }
    save_file(tensors, tmp_path / "foreign.safetensors")
    assert read_adapter(tmp_path / "foreign.safetensors").header.family == family


@pytest.mark.parametrize("family", ["svd", "sdxl_refiner"])
def test_the_default_is_what_has_names_for_the_family(family: str) -> None:
    assert default_format("lora", family).name == "diffusers"
    assert default_format("loha", family).name == "peft"
    assert default_format("oft", family).name == "peft"
    with pytest.raises(AdapterError, match="no file format holds diag_oft adapters"):
        default_format("diag_oft", family)
    assert default_format("lora", "sdxl").name == "kohya"


def test_formats_are_refused_by_family_before_anything_is_loaded() -> None:
    assert not list(family_problems(("lora",), (), "svd"))
    assert not list(family_problems(("lora",), ("kohya", "diffusers"), "sdxl"))
    (problem,) = family_problems(("lora",), ("diffusers", "kohya"), "svd")
    assert problem == (
        "export.formats[1]: kohya has no names for the layers of family svd; for lora there is: "
        "diffusers"
    )
    (problem,) = family_problems(("diag_oft",), (), "svd")
    assert "train a lora" in problem
