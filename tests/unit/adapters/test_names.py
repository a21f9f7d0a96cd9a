"""Key names against SD 1.5 itself: its configuration, on the meta device, and a rule written here anew."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from studio.adapters.names import flat, kohya_name, nested, neutral_path
from studio.training.lora.settings import LoraWeights
from studio.training.lora.targets import find_targets


def sd15_unet() -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=768,
            attention_head_dim=8,
        )


def sd15_text_encoder() -> CLIPTextModel:
    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        return CLIPTextModel(config)


def transformers_of_sd15() -> list[str]:
    """Where SD 1.5 has attention: two layers in each of three levels down, three up, one between."""
    down = [f"down_blocks_{i}_attentions_{j}" for i in range(3) for j in range(2)]
    up = [f"up_blocks_{i}_attentions_{j}" for i in range(1, 4) for j in range(3)]
    return [*down, "mid_block_attentions_0", *up]


def kohya_names_of_sd15() -> set[str]:
    """All layers that kohya's trainer adapts in an SD 1.5 by default, as the field's files name them."""
    inner = [f"attn{n}_to_{x}" for n in (1, 2) for x in ("q", "k", "v", "out_0")]
    inner += ["ff_net_0_proj", "ff_net_2"]
    unet = {
        f"lora_unet_{place}_{layer}"
        for place in transformers_of_sd15()
        for layer in ["proj_in", "proj_out", *(f"transformer_blocks_0_{name}" for name in inner)]
    }
    text = {
        f"lora_te_text_model_encoder_layers_{n}_{layer}"
        for n in range(12)
        for layer in [
            *(f"self_attn_{x}_proj" for x in ("q", "k", "v", "out")),
            "mlp_fc1",
            "mlp_fc2",
        ]
    }
    return unet | text


def paths_of_sd15() -> set[str]:
    """Neutral paths of the same layers, from the live modules."""
    unet = {
        f"unet.{name}"
        for name, module in sd15_unet().named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and ".attentions." in name
    }
    text = {
        f"text_encoder.{name}"
        for name, module in sd15_text_encoder().named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    return unet | text


def test_sd15_has_exactly_the_fields_264_names() -> None:
    names = {kohya_name(path, "sd1") for path in paths_of_sd15()}
    assert names == kohya_names_of_sd15()
    assert len(names) == 264


def test_sd15_has_50_convolutions_for_locon() -> None:
    """kohya's: every resnet's two, and the samplers between the levels; nothing of 1x1."""
    resnets = [f"down_blocks_{i}_resnets_{j}" for i in range(4) for j in range(2)]
    resnets += [f"up_blocks_{i}_resnets_{j}" for i in range(4) for j in range(3)]
    resnets += [f"mid_block_resnets_{j}" for j in range(2)]
    wanted = {f"lora_unet_{resnet}_conv{n}" for resnet in resnets for n in (1, 2)}
    wanted |= {f"lora_unet_down_blocks_{i}_downsamplers_0_conv" for i in range(3)}
    wanted |= {f"lora_unet_up_blocks_{i}_upsamplers_0_conv" for i in range(3)}
    base = SimpleNamespace(name="sd15", unet=sd15_unet(), named_text_encoders={})
    with_convs = {
        kohya_name(target.path, "sd1")
        for target in find_targets(LoraWeights(conv_rank=4), base, ["unet"])
    }
    without = {
        kohya_name(target.path, "sd1") for target in find_targets(LoraWeights(), base, ["unet"])
    }
    assert with_convs - without == wanted
    assert len(wanted) == 50


def test_every_layer_of_sd15_comes_back_under_its_own_path() -> None:
    paths = {
        f"{part}.{name}"
        for part, model in (("unet", sd15_unet()), ("text_encoder", sd15_text_encoder()))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    }
    assert len(paths) > 264
    assert {neutral_path(kohya_name(path, "sd1")) for path in paths} == paths


@pytest.mark.parametrize("middle", ["", "text_model_"])
def test_both_nestings_of_the_text_encoder_are_read(middle: str) -> None:
    found = neutral_path(f"lora_te_{middle}encoder_layers_11_self_attn_out_proj")
    assert found == "text_encoder.encoder.layers.11.self_attn.out_proj"


def test_nesting_is_added_once_and_to_the_text_encoder_alone() -> None:
    path = "text_encoder.encoder.layers.0.mlp.fc1"
    assert (
        nested(path) == nested(nested(path)) == "text_encoder.text_model.encoder.layers.0.mlp.fc1"
    )
    assert flat(nested(path)) == path
    assert nested("unet.conv_in") == flat("unet.conv_in") == "unet.conv_in"


@pytest.mark.parametrize(
    "name",
    [
        "lora_te3_text_model_encoder_layers_0_mlp_fc1",
        "lora_unet_double_blocks_0_img_attn_qkv",
        "lora_unet_",
        "lora_te_",
        "anything",
    ],
)
def test_names_of_other_families_are_not_guessed(name: str) -> None:
    assert neutral_path(name) is None
