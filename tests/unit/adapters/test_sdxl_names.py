"""SDXL's key names against the model itself, on the meta device, and rules written here anew."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.names import kohya_name, neutral_path
from studio.adapters.readback_sgm import sgm_layer_names
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.training.lora.settings import LoraWeights
from studio.training.lora.targets import find_targets

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
EVERYTHING = LoraWeights(
    target_modules=(*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    text_target_modules=("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
)
# Transformer blocks in each of sgm's blocks, from the published configuration.
DEPTHS = {"input_blocks_4": 2, "input_blocks_5": 2, "input_blocks_7": 10, "input_blocks_8": 10}
DEPTHS |= {"middle_block": 10, **{f"output_blocks_{n}": 10 if n < 3 else 2 for n in range(6)}}


@pytest.fixture(scope="module")
def sdxl(meta_sdxl_unet: UNet2DConditionModel) -> Any:
    with torch.device("meta"):
        first = CLIPTextModel(
            CLIPTextConfig(hidden_size=768, num_hidden_layers=12, num_attention_heads=12)
        )
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=1280, num_hidden_layers=32, num_attention_heads=20)
        )
    texts = {"text_encoder": first, "text_encoder_2": second}
    return SimpleNamespace(name="sdxl", unet=meta_sdxl_unet, named_text_encoders=texts)


def kohya_names_of_sdxl() -> set[str]:
    inner = [f"attn{n}_to_{x}" for n in (1, 2) for x in ("q", "k", "v", "out_0")]
    inner += ["ff_net_0_proj", "ff_net_2"]
    names = {
        f"lora_unet_{block}_1_{layer}"
        for block, depth in DEPTHS.items()
        for layer in [
            "proj_in",
            "proj_out",
            *(f"transformer_blocks_{n}_{name}" for n in range(depth) for name in inner),
        ]
    }
    attention = [f"self_attn_{x}_proj" for x in ("q", "k", "v", "out")]
    for prefix, layers in (("lora_te1", 12), ("lora_te2", 32)):
        names |= {
            f"{prefix}_text_model_encoder_layers_{n}_{layer}"
            for n in range(layers)
            for layer in [*attention, "mlp_fc1", "mlp_fc2"]
        }
    return names


def test_sdxl_has_exactly_the_fields_986_names(sdxl: Any) -> None:
    targets = find_targets(EVERYTHING, sdxl, ["unet", "text_encoder", "text_encoder_2"])
    names = {kohya_name(target.path, "sdxl") for target in targets}
    assert names == kohya_names_of_sdxl()
    assert len(names) == 986
    assert {neutral_path(name) for name in names} == {target.path for target in targets}


def test_every_layer_of_the_unet_has_one_name_by_table_and_by_counting(
    meta_sdxl_unet: UNet2DConditionModel,
) -> None:
    counted = sgm_layer_names(meta_sdxl_unet)
    layers = [
        name
        for name, module in cast("nn.Module", meta_sdxl_unet).named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    names = {name: kohya_name(f"unet.{name}", "sdxl") for name in layers}
    assert names == {name: "lora_unet_" + counted[name].replace(".", "_") for name in layers}
    assert len(set(names.values())) == len(layers) > 722
    assert {neutral_path(name) for name in names.values()} == {f"unet.{name}" for name in layers}


@pytest.mark.parametrize(
    ("ours", "sgm"),
    [
        ("conv_in", "input_blocks_0_0"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks_3_0_op"),
        ("down_blocks.1.resnets.0.conv_shortcut", "input_blocks_4_0_skip_connection"),
        ("down_blocks.2.resnets.1.time_emb_proj", "input_blocks_8_0_emb_layers_1"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks_2_2_conv"),
        ("up_blocks.2.resnets.2.conv2", "output_blocks_8_0_out_layers_3"),
        ("add_embedding.linear_1", "label_emb_0_0"),
    ],
)
def test_places_that_a_slip_would_move(ours: str, sgm: str) -> None:
    assert kohya_name(f"unet.{ours}", "sdxl") == f"lora_unet_{sgm}"
    assert neutral_path(f"lora_unet_{sgm}") == f"unet.{ours}"
    # Some tools write diffusers' names for SDXL too.
    assert neutral_path("lora_unet_" + ours.replace(".", "_")) == f"unet.{ours}"


@pytest.mark.parametrize("file_format", ["kohya", "diffusers"])
def test_a_file_for_sdxl_is_read_as_written(
    tiny_sdxl: BaseModel, lora: Any, tmp_path: Path, file_format: str
) -> None:
    adapter: Adapter = lora(
        tiny_sdxl, unet_targets=("to_q", "conv1", "downsamplers.0.conv", "upsamplers.0.conv")
    )
    (file,) = export(adapter, tiny_sdxl, tmp_path, "x", formats=[file_format], dtype="fp16")
    again = read_adapter(file.path)
    assert again.header == adapter.header
    assert again.tensors.keys() == adapter.tensors.keys()


def test_an_unnamed_file_with_a_second_text_encoder_is_sdxls(
    tiny_sdxl: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_sdxl, unet_targets=("attn1.to_q",))
    (file,) = export(adapter, tiny_sdxl, tmp_path, "x", formats=["kohya"], dtype="fp16")
    save_file(load_file(file.path), tmp_path / "y.safetensors")
    assert read_adapter(tmp_path / "y.safetensors").header.family == "sdxl"


def test_a_part_that_the_family_lacks_is_refused() -> None:
    with pytest.raises(AdapterError, match="no place for text_encoder_2"):
        kohya_name("text_encoder_2.encoder.layers.0.mlp.fc1", "sd1")
