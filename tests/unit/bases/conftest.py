"""Base models of random weights: text as wide as the real families', everything else narrow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from studio.bases.base_model import BaseModel

PARTS = {
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def _unet(width: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=2,
        cross_attention_dim=width,
        norm_num_groups=4,
        **{"sample_size": 8, "attention_head_dim": 2, **more},
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
    )


def _text_encoder(width: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=8,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config)


def _save(
    folder: Path, unet: UNet2DConditionModel, width: int, noise_scheduler: DDIMScheduler
) -> Path:
    """Weights in fp16, as they are published."""
    text_encoder = _text_encoder(width)
    for name, part in (("unet", unet), ("vae", _vae()), ("text_encoder", text_encoder)):
        part.half().save_pretrained(folder / name)
    noise_scheduler.save_pretrained(folder / "scheduler")
    words = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>"]
    tokenizer = CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=16
    )
    tokenizer.save_pretrained(folder / "tokenizer")
    index = {"_class_name": "StableDiffusionPipeline", **PARTS}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="session")
def saved_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of family sd1 in fp16; tests that change it work on a copy."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    noise_scheduler = DDIMScheduler(
        rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"
    )
    return _save(tmp_path_factory.mktemp("base"), _unet(768), 768, noise_scheduler)


@pytest.fixture(scope="session")
def save_sd2(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, str], Path]:
    """Saves SD 2.x with the given sample size and prediction type, as its two published forms have."""

    def save(sample_size: int, prediction_type: str) -> Path:
        torch.manual_seed(0)
        unet = _unet(
            1024,
            sample_size=sample_size,
            attention_head_dim=(1, 2, 2, 2),
            use_linear_projection=True,
        )
        noise_scheduler = DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type=prediction_type,
        )
        return _save(tmp_path_factory.mktemp("sd2"), unet, 1024, noise_scheduler)

    return save


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tests keep their digests and hub snapshots to themselves."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def in_original_naming() -> Callable[[BaseModel], dict[str, torch.Tensor]]:
    """A model under the names of the original code, as the readers of such files document them."""
    return _in_original_naming


def _in_original_naming(base: BaseModel) -> dict[str, torch.Tensor]:
    with_attention = [hasattr(block, "attentions") for block in base.unet.up_blocks]
    tensors = {_unet_name(k, with_attention): v for k, v in base.unet.state_dict().items()}
    for name, value in base.vae.state_dict().items():
        original = _vae_name(name)
        projection = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", original)
        tensors[original] = value[:, :, None, None].clone() if projection else value
    if base.family == "sd2":
        tensors |= _open_clip(base.text_encoder, "cond_stage_model.model.")
        # Two that the published files have and diffusers leaves out.
        tensors["cond_stage_model.model.logit_scale"] = torch.tensor(4.6)
        tensors["cond_stage_model.model.text_projection"] = torch.zeros(1024, 1024)
        return tensors
    if base.family == "sdxl_refiner":
        return tensors | _open_clip(base.text_encoders[0], "conditioner.embedders.0.model.")
    xl = base.family == "sdxl"
    first = "conditioner.embedders.0.transformer" if xl else "cond_stage_model.transformer"
    for name, value in base.text_encoder.state_dict().items():
        tensors[f"{first}.text_model.{name}"] = value
    return tensors | (
        _open_clip(base.text_encoders[1], "conditioner.embedders.1.model.") if xl else {}
    )


def _unet_name(name: str, with_attention: list[bool]) -> str:
    def block(m: re.Match[str]) -> str:
        level, inner, layer = int(m[2]), 0 if m[3] == "resnets" else 1, int(m[4])
        if m[1] == "down":
            return f"input_blocks.{3 * level + layer + 1}.{inner}"
        return f"output_blocks.{3 * level + layer}.{inner}"

    for pattern, original in (
        (r"^time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}"),
        (r"^add_embedding\.linear_(\d)", lambda m: f"label_emb.0.{2 * int(m[1]) - 2}"),
        (r"^(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)", block),
        (
            r"^down_blocks\.(\d)\.downsamplers\.0\.conv",
            lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op",
        ),
        (
            r"^up_blocks\.(\d)\.upsamplers\.0",
            lambda m: f"output_blocks.{3 * int(m[1]) + 2}.{1 + with_attention[int(m[1])]}",
        ),
        (r"^mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}"),
        (r"^mid_block\.attentions\.0", "middle_block.1"),
        (r"^conv_in\.", "input_blocks.0.0."),
        (r"^conv_norm_out\.", "out.0."),
        (r"^conv_out\.", "out.2."),
    ):
        name = re.sub(pattern, original, name)
    if name.startswith(("input_blocks", "middle_block", "output_blocks")):
        for ours, original in (
            ("norm1", "in_layers.0"),
            ("conv1", "in_layers.2"),
            ("time_emb_proj", "emb_layers.1"),
            ("norm2", "out_layers.0"),
            ("conv2", "out_layers.3"),
            ("conv_shortcut", "skip_connection"),
        ):
            name = name if "transformer_blocks" in name else name.replace(ours, original)
    return "model.diffusion_model." + name


def _vae_name(name: str) -> str:
    for pattern, original in (
        (r"mid_block\.resnets\.0", "mid.block_1"),
        (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"encoder\.down_blocks\.(\d)\.resnets\.(\d)", r"encoder.down.\1.block.\2"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
        (r"attn_1\.group_norm", "attn_1.norm"),
        (r"attn_1\.to_([qkv])", r"attn_1.\1"),
        (r"attn_1\.to_out\.0", "attn_1.proj_out"),
        (
            r"up_blocks\.(\d)\.resnets\.(\d)",
            lambda m: f"up.{3 - int(m[1])}.block.{m[2]}",
        ),
        (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample"),
    ):
        name = re.sub(pattern, original, name)
    return "first_stage_model." + name


def _open_clip(text_encoder: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """OpenCLIP's names: queries, keys and values in one matrix, the projection the other way round."""
    found = {k.removeprefix("text_model."): v for k, v in text_encoder.state_dict().items()}
    tensors = {}
    for name, value in found.items():
        original = _open_clip_name(name)
        if original.endswith("attn.in_proj_weight") or original.endswith("attn.in_proj_bias"):
            each = [found[name.replace("q_proj", f"{which}_proj")] for which in "qkv"]
            tensors[prefix + original] = torch.cat(each)
        elif original == "text_projection":
            tensors[prefix + original] = value.T.contiguous()
        elif "k_proj" not in name and "v_proj" not in name:
            tensors[prefix + original] = value
    return tensors


def _open_clip_name(name: str) -> str:
    for pattern, original in (
        (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
        (r"^embeddings\.", ""),
        (r"^final_layer_norm", "ln_final"),
        (r"^text_projection\.weight", "text_projection"),
        (r"^encoder\.layers", "transformer.resblocks"),
        (r"layer_norm(\d)", r"ln_\1"),
        (r"mlp\.fc1", "mlp.c_fc"),
        (r"mlp\.fc2", "mlp.c_proj"),
        (r"self_attn\.q_proj\.", "attn.in_proj_"),
        (r"self_attn\.out_proj", "attn.out_proj"),
    ):
        name = re.sub(pattern, original, name)
    return name
