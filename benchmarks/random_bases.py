"""Base models of a published architecture at a share of its width, with random weights, fp16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from studio.bases.source import POCKET_FOLDER

TOKENS = 77
CLIP = {"vocab_size": 49408, "max_position_embeddings": TOKENS, "pad_token_id": 2047}
# The tokenizer is pocket's, so the marks are too.
MARKS = {"bos_token_id": 2046, "eos_token_id": 2047}


def write_base(folder: str | Path, kind: str) -> None:
    """Write a diffusers folder.

    Args:
        kind: ``sd1`` or ``sdxl``, a blank, and the share of the U-Net's and the VAE's width.
    """
    folder = Path(folder)
    family, _, share = kind.partition(" ")
    parts = {"sd1": _sd1, "sdxl": _sdxl}[family](float(share))
    parts["vae"] = _vae(float(share), sample_size=512)
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline"}
    for name, module in parts.items():
        module.half().save_pretrained(folder / name)
        index[name] = [type(module).__module__.partition(".")[0], type(module).__name__]
    for name in ["tokenizer", "tokenizer_2"][: sum("text" in part for part in parts)]:
        shutil.copytree(POCKET_FOLDER / "tokenizer", folder / name)
        path = folder / name / "tokenizer_config.json"
        config = json.loads(path.read_text("utf-8")) | {"model_max_length": TOKENS}
        path.write_text(json.dumps(config), "utf-8")
    shutil.copytree(POCKET_FOLDER / "scheduler", folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")


def _sd1(share: float) -> dict[str, Any]:
    return {
        "unet": UNet2DConditionModel(
            sample_size=64,
            cross_attention_dim=768,
            attention_head_dim=8,
            block_out_channels=_widths(share, 320, 640, 1280, 1280),
        ),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
    }


def _sdxl(share: float) -> dict[str, Any]:
    return {
        "unet": UNet2DConditionModel(
            sample_size=int(128 * share),  # smaller pictures, or drawing them would be all there is
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=_widths(share, 320, 640, 1280),
            layers_per_block=2,
            transformer_layers_per_block=(1, 2, 10),
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=1280 + 6 * 256,
        ),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
        "text_encoder_2": CLIPTextModelWithProjection(_clip(1280, 20, 32)),
    }


def _vae(share: float, sample_size: int) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=_widths(share, 128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=sample_size,
    )


def _clip(width: int, heads: int, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        **CLIP,
        **MARKS,
    )


def _widths(share: float, *widths: int) -> tuple[int, ...]:
    return tuple(int(width * share) for width in widths)
