"""At the full size of SD 1.5 and SDXL every tool finds a layer for every name that we write."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from studio.adapters.names import kohya_name
from studio.adapters.readback import FileContent, live_layers
from studio.adapters.tools import a1111, comfyui, diffusers, kohya
from studio.adapters.weight_changes import Reader
from studio.bases.base_model import BaseModel

READERS: dict[str, Reader] = {
    "a1111": a1111.read_back,
    "comfyui": comfyui.read_back,
    "diffusers": diffusers.read_back,
    "kohya": kohya.read_back,
}
RANK = 2
# What a LoRA of everything that all tools read stands on: attention and feed-forward, their
# projections, and every convolution inside a block.
UNET_LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in")
UNET_LAYERS += ("proj_out", "conv1", "conv2", "conv_shortcut", "samplers.0.conv")
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@pytest.fixture(params=["sd1", "sdxl"])
def full_size(
    request: pytest.FixtureRequest, tiny_base: BaseModel, meta_sdxl_unet: UNet2DConditionModel
) -> BaseModel:
    """The published configurations, on the meta device: names and shapes, no memory."""
    with torch.device("meta"):
        first = CLIPTextModel(
            CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
        )
        if request.param == "sd1":
            unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
            return replace(tiny_base, unet=unet, text_encoders=[first])
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                projection_dim=1280,
            )
        )
    return replace(tiny_base, family="sdxl", unet=meta_sdxl_unet, text_encoders=[first, second])


def content_of(base: BaseModel) -> FileContent:
    """A LoRA file on all those layers, by our names, its matrices without memory."""
    tensors: dict[str, torch.Tensor] = {}
    for part, name, weight in live_layers(base):
        if name.endswith(UNET_LAYERS if part == "unet" else TEXT_LAYERS):
            key = kohya_name(f"{part}.{name.removeprefix('text_model.')}", base.family)
            ones = [1] * (weight.dim() - 2)
            down = torch.empty(RANK, *weight.shape[1:], device="meta")
            tensors[f"{key}.lora_down.weight"] = down
            up = torch.empty(weight.shape[0], RANK, *ones, device="meta")
            tensors[f"{key}.lora_up.weight"] = up
            tensors[f"{key}.alpha"] = torch.tensor(1.0)
    return FileContent(tensors, {"ss_network_module": "networks.lora"})


@pytest.mark.parametrize("tool", READERS)
def test_every_tensor_finds_its_layer(full_size: BaseModel, tool: str) -> None:
    content = content_of(full_size)
    found = READERS[tool](content, full_size)
    assert found.unmatched == []
    assert 3 * len(found.changes) == len(content.tensors)
    is_layer = nn.Linear | nn.Conv2d
    layers = sum(isinstance(module, is_layer) for module in full_size.unet.modules())
    assert len(found.changes) > 0.8 * layers


@pytest.mark.parametrize("tool", READERS)
def test_one_misspelled_key_is_told(full_size: BaseModel, tool: str) -> None:
    content = content_of(full_size)
    right = next(key for key in content.tensors if "attn2_to_k.lora_up" in key)
    content.tensors[right.replace("attn2_to_k", "attn2_to_kk")] = content.tensors.pop(right)
    assert READERS[tool](content, full_size).unmatched
