"""Stable Video Diffusion as one file in the original naming, which diffusers itself does not read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    UNetSpatioTemporalConditionModel,
)
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from studio.bases.file_parts import empty_part
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.published import PUBLISHED
from studio.bases.video_names import (
    UNET,
    VAE,
    VISION,
    original_unet_name,
    original_vae_name,
    original_vision_name,
)
from studio.errors import BaseModelError

PARTS = ("unet", "vae", "image_encoder")
# Names and shapes in svd.safetensors and svd_xt.safetensors, as published.
KNOWN: dict[str, tuple[int, ...]] = {
    f"{UNET}input_blocks.0.0.weight": (320, 8, 3, 3),
    f"{UNET}input_blocks.1.0.time_stack.in_layers.2.weight": (320, 320, 3, 1, 1),
    f"{UNET}input_blocks.1.0.time_mixer.mix_factor": (1,),
    f"{UNET}input_blocks.1.1.time_stack.0.norm_in.weight": (320,),
    f"{UNET}input_blocks.1.1.time_stack.0.ff_in.net.0.proj.weight": (2560, 320),
    f"{UNET}input_blocks.1.1.time_stack.0.attn2.to_k.weight": (320, 1024),
    f"{UNET}input_blocks.1.1.time_pos_embed.0.weight": (1280, 320),
    f"{UNET}input_blocks.1.1.time_mixer.mix_factor": (1,),
    f"{UNET}input_blocks.3.0.op.weight": (320, 320, 3, 3),
    f"{UNET}input_blocks.4.0.skip_connection.weight": (640, 320, 1, 1),
    f"{UNET}middle_block.1.transformer_blocks.0.attn1.to_q.weight": (1280, 1280),
    f"{UNET}middle_block.2.time_stack.out_layers.3.bias": (1280,),
    f"{UNET}output_blocks.2.1.conv.weight": (1280, 1280, 3, 3),
    f"{UNET}output_blocks.5.2.conv.weight": (1280, 1280, 3, 3),
    f"{UNET}output_blocks.11.1.proj_out.weight": (320, 320),
    f"{UNET}label_emb.0.0.weight": (1280, 768),
    f"{UNET}out.2.weight": (4, 320, 3, 3),
    f"{VAE}decoder.conv_out.time_mix_conv.weight": (3, 3, 3, 1, 1),
    f"{VAE}decoder.mid.block_1.mix_factor": (1,),
    f"{VAE}decoder.mid.block_2.time_stack.in_layers.0.weight": (512,),
    f"{VAE}decoder.up.1.block.0.nin_shortcut.weight": (256, 512, 1, 1),
    f"{VAE}decoder.up.3.upsample.conv.weight": (512, 512, 3, 3),
    f"{VAE}decoder.up.0.block.2.time_stack.out_layers.3.weight": (128, 128, 3, 1, 1),
    f"{VAE}encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
    f"{VAE}encoder.norm_out.weight": (512,),
    f"{VAE}quant_conv.weight": (8, 8, 1, 1),
    f"{VISION}class_embedding": (1280,),
    f"{VISION}positional_embedding": (257, 1280),
    f"{VISION}conv1.weight": (1280, 3, 14, 14),
    f"{VISION}transformer.resblocks.31.mlp.c_fc.weight": (5120, 1280),
    f"{VISION}ln_post.bias": (1280,),
}


def test_full_size_names_and_shapes_are_the_published_ones() -> None:
    kinds = (UNetSpatioTemporalConditionModel, AutoencoderKLTemporalDecoder)
    found: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        for kind in (torch.nn.Linear, torch.nn.Embedding, torch.nn.modules.conv._ConvNd):
            patch.setattr(kind, "reset_parameters", lambda self: None)
        patch.setattr(CLIPVisionModelWithProjection, "init_weights", lambda self: None)
        unet, vae = (
            empty_part(k, PUBLISHED / "svd" / p) for k, p in zip(kinds, PARTS, strict=False)
        )
        vision = empty_part(CLIPVisionModelWithProjection, PUBLISHED / "svd" / "image_encoder")
    for part, prefix, rename in (
        (unet, UNET, original_unet_name),
        (vae, VAE, original_vae_name),
        (vision, VISION, original_vision_name),
    ):
        names = {name: prefix + rename(name) for name in part.state_dict()}
        assert len(set(names.values())) == len(names)
        found |= {names[k]: tuple(v.shape) for k, v in part.state_dict().items()}
    assert {name: found.get(name) for name in KNOWN} == KNOWN
    left = ("down_blocks", "up_blocks", "res_block", "resnets", "temporal_", "mid_block", "layers.")
    odd = [n for n in found if any(o in n.replace("_layers.", "") for o in left)]
    assert odd == []


@pytest.fixture(scope="module")
def svd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of SVD's tree, narrow, with random weights."""
    folder = tmp_path_factory.mktemp("svd") / "svd"
    torch.manual_seed(3)
    UNetSpatioTemporalConditionModel(
        sample_size=8,
        block_out_channels=(32, 32, 64, 64),
        num_attention_heads=(2, 2, 4, 4),
        cross_attention_dim=16,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        layers_per_block=2,
        num_frames=3,
    ).save_pretrained(folder / "unet")
    AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=64,
    ).save_pretrained(folder / "vae")
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        projection_dim=16,
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    EulerDiscreteScheduler(prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    shutil.copytree(PUBLISHED / "svd/feature_extractor", folder / "feature_extractor")
    shutil.copy(PUBLISHED / "svd/model_index.json", folder)
    return folder


@pytest.fixture(scope="module")
def original(svd: Path) -> dict[str, Tensor]:
    return in_original_naming(svd)


def in_original_naming(folder: Path) -> dict[str, Tensor]:
    base = load_base(str(folder))
    tensors = {UNET + original_unet_name(k): v for k, v in base.unet.state_dict().items()}
    for name, value in base.vae.state_dict().items():
        is_linear = ".attentions." in name and value.ndim == 2
        tensors[VAE + original_vae_name(name)] = value[:, :, None, None] if is_linear else value
    assert base.image_encoder is not None
    vision = base.image_encoder.state_dict()
    for name, value in vision.items():
        if name == "visual_projection.weight":
            tensors[f"{VISION}proj"] = value.T
        elif "q_proj" in name:
            joined = torch.cat([vision[name.replace("q_proj", f"{p}_proj")] for p in "qkv"])
            tensors[VISION + original_vision_name(name).replace("q_proj.", "in_proj_")] = joined
        elif "k_proj" not in name and "v_proj" not in name:
            tensors[VISION + original_vision_name(name)] = value
    tensors["conditioner.embedders.3.encoder.encoder.conv_in.bias"] = torch.zeros(3)
    return {name: value.contiguous().clone() for name, value in tensors.items()}


def test_a_single_file_equals_its_folder(
    svd: Path, original: dict[str, Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "svd.safetensors"
    save_file(original, file)
    shutil.copytree(svd, tmp_path / "svd", ignore=shutil.ignore_patterns("*.safetensors"))
    folder, single = load_base(str(svd)), load_base(str(file))
    assert identify_base(str(file)).family == single.family == "svd"
    for part in PARTS:
        expected, found = (getattr(b, part).state_dict() for b in (folder, single))
        assert set(expected) == set(found)
        assert all(torch.equal(found[k], v) for k, v in expected.items()), part
    vision = single.image_encoder
    assert vision is not None
    with torch.no_grad():  # its tables of positions are there too
        assert vision(torch.zeros(1, 3, 28, 28)).image_embeds.isfinite().all()


def test_a_weight_that_is_missing_is_named(
    svd: Path, original: dict[str, Tensor], tmp_path: Path
) -> None:
    tensors = dict(original)
    del tensors[f"{UNET}input_blocks.1.0.time_mixer.mix_factor"]
    save_file(tensors, tmp_path / "svd.safetensors")
    shutil.copytree(svd, tmp_path / "svd", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(BaseModelError, match=r"unet lacks the weight .*1\.0\.time_mixer"):
        load_base(str(tmp_path / "svd.safetensors"))


def test_its_clips_are_decoded_by_its_own_vae_alone(svd: Path) -> None:
    with pytest.raises(BaseModelError, match="decode clips with a VAE of their own"):
        identify_base(str(svd), vae="anything")
    assert json.loads((svd / "unet/config.json").read_text())["in_channels"] == 8
