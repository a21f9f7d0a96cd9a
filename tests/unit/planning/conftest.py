from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diffusers import UNet2DConditionModel

from studio.bases.base_model import BaseModel
from studio.planning import planner
from studio.planning.drawing import Drawing
from studio.planning.rehearsal import Rehearsed
from studio.planning.work import Pace, Work
from studio.recipe import Recipe
from studio.recipe.loading import recipe_from_dict

RecipeOf = Callable[..., Recipe]
MIB = 1 << 20


def rehearsed(recipe: Recipe, *_: object) -> Rehearsed:
    """As if activations were all there is: 64 MiB a picture, a quarter of it with checkpointing."""
    per_picture = 16 if recipe.precision.gradient_checkpointing else 64
    step = recipe.optimizer.train_batch_size * per_picture * MIB
    some = Work(matmul_flops=1e9)
    parts = {"unet": 0, "vae": 0, "text_encoder": 0}
    return Rehearsed(
        clean_part_bytes=parts,
        adapter_bytes=0,
        trained_bytes=0,
        resting_bytes=0,
        shelved_bytes=0,
        encoding_bytes=0,
        encoding_work=some,
        reading_bytes=0,
        step_bytes=step,
        step_work=some,
        drawing=Drawing(1, 64, 0, 0, 0, some),
        sampling=None,
        part_bytes=parts,
    )


@pytest.fixture
def no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "rehearse", rehearsed)
    monkeypatch.setattr(planner, "process_bytes", lambda _: 0)
    monkeypatch.setattr(planner, "_loading_bytes", lambda *_: 0)
    monkeypatch.setattr(planner, "measured_pace", lambda *_: Pace(1e9, 1e9, 1e9, 1e9))


@pytest.fixture
def recipe_of(tmp_path: Path) -> RecipeOf:
    """A LoRA's recipe with changes, as after ``--set``."""

    def make(*changes: str, **sections: Any) -> Recipe:
        content = {
            "name": "planned",
            "dataset": {"source": str(tmp_path), "trigger": "zorp"},
            "trainer": {"kind": "lora", "rank": 4},
            "budget": {"steps": 10},
            "optimizer": {"train_batch_size": 1},
            "precision": {"num_threads": 1},
        }
        return recipe_from_dict(content | sections, changes)

    return make


@pytest.fixture
def small_base(tiny_base: BaseModel) -> BaseModel:
    """A base of few layers, for each operation that is only imagined takes a good part of a millisecond."""
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=tiny_base.unet.config["cross_attention_dim"],
        attention_head_dim=2,
    )
    tiny_base.text_encoder.encoder.layers = tiny_base.text_encoder.encoder.layers[:1]
    return replace(tiny_base, unet=unet.requires_grad_(False).eval())


def emptied(base: BaseModel) -> BaseModel:
    """A copy without weights."""
    skeleton = replace(
        base,
        unet=copy.deepcopy(base.unet),
        vae=copy.deepcopy(base.vae),
        text_encoders=copy.deepcopy(base.text_encoders),
    )
    for module in skeleton.modules:
        module.to("meta")
    return skeleton


@pytest.fixture
def skeleton(small_base: BaseModel) -> BaseModel:
    """`small_base` without its weights."""
    return emptied(small_base)
