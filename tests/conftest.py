"""Fixtures that several rooms share: a base model small enough for a unit test, with real parts."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
)
from hypothesis import HealthCheck, settings
from PIL import Image
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from studio.bases.base_model import BaseModel
from studio.examples.example import Example

# Several torch processes on two cores are slow now and then, which says nothing of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

TINY_WIDTH = 32
TINY_SECOND_WIDTH = 40  # of SDXL's second text encoder; another, so that no mix-up goes unseen
TINY_RESOLUTION_PX = 64
TINY_MAX_TOKENS = 16
NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
}
SDXL_TREE = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the studio remembers of files goes into the session's folder, never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two torch threads beside another busy process can be many times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _tiny_base_once() -> BaseModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokenizer = _tokenizer()
        return BaseModel(
            name="tiny",
            family="sd1",
            digest=hashlib.sha256(b"tiny").hexdigest(),
            resolution_px=TINY_RESOLUTION_PX,
            unet=_unet(),
            vae=_vae(),
            text_encoders=[_text_encoder(tokenizer)],
            tokenizers=[tokenizer],
            noise_scheduler=DDPMScheduler(**NOISE, clip_sample=False),
        )


@pytest.fixture
def tiny_base(_tiny_base_once: BaseModel) -> BaseModel:
    """A base with SD 1.5's module tree and random weights, the same in every session; a test's own."""
    return _copied(_tiny_base_once)


@pytest.fixture
def tiny_sd2(_tiny_base_once: BaseModel) -> BaseModel:
    """A base with SD 2.x's module tree, tiny, that predicts v as the one for 768 px does; a test's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        tokenizer = _tokenizer(pad_token="!")
        return replace(
            _copied(_tiny_base_once),
            name="tiny-sd2",
            family="sd2",
            digest=hashlib.sha256(b"tiny-sd2").hexdigest(),
            unet=_unet(attention_head_dim=(1, 2, 2, 2), use_linear_projection=True),
            text_encoders=[_text_encoder(tokenizer)],
            tokenizers=[tokenizer],
            noise_scheduler=DDPMScheduler(
                **NOISE | {"prediction_type": "v_prediction"}, clip_sample=False
            ),
        )


@pytest.fixture(scope="session")
def _tiny_sdxl_once() -> BaseModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first, second = _tokenizer(), _tokenizer(pad_token="!")
        return BaseModel(
            name="tiny-sdxl",
            family="sdxl",
            digest=hashlib.sha256(b"tiny-sdxl").hexdigest(),
            resolution_px=TINY_RESOLUTION_PX,
            unet=_sdxl_unet(),
            vae=_vae(scaling_factor=0.13025),
            text_encoders=[_text_encoder(first), _second_text_encoder(second)],
            tokenizers=[first, second],
            noise_scheduler=EulerDiscreteScheduler(
                **NOISE, timestep_spacing="leading", steps_offset=1
            ),
            force_zeros_for_empty_prompt=True,
        )


@pytest.fixture
def tiny_sdxl(_tiny_sdxl_once: BaseModel) -> BaseModel:
    """A base with SDXL's module tree and random weights, the same in every session; a test's own.

    The deepest level has 3 transformer blocks for 10, the second text encoder 4 layers for 32.
    """
    return _copied(_tiny_sdxl_once)


@pytest.fixture
def tiny_refiner(_tiny_sdxl_once: BaseModel) -> BaseModel:
    """The refiner to `tiny_sdxl`: its module tree at tiny widths, random weights, a test's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        tokenizer = _tokenizer(pad_token="!")
        return replace(
            _copied(_tiny_sdxl_once),
            name="tiny-refiner",
            family="sdxl_refiner",
            digest=hashlib.sha256(b"tiny-refiner").hexdigest(),
            unet=_refiner_unet(),
            text_encoders=[_second_text_encoder(tokenizer)],
            tokenizers=[tokenizer],
            force_zeros_for_empty_prompt=False,
        )


@pytest.fixture(scope="session")
def meta_sdxl_unet() -> UNet2DConditionModel:
    """SDXL's U-Net at its full size, as published with the weights; on the meta device, no memory."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=(1, 2, 10),
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=1280 + 6 * 256,
            **SDXL_TREE,
        )


def _copied(base: BaseModel) -> BaseModel:
    return replace(
        base,
        unet=copy.deepcopy(base.unet),
        vae=copy.deepcopy(base.vae),
        text_encoders=copy.deepcopy(base.text_encoders),
        tokenizers=copy.deepcopy(base.tokenizers),
    )


def _tiny_unet(**tree: Any) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(sample_size=TINY_RESOLUTION_PX // 8, norm_num_groups=4, **tree)
    return unet.requires_grad_(False).eval()


def _unet(**more: Any) -> UNet2DConditionModel:
    return _tiny_unet(
        block_out_channels=(8, 16, 16, 16),
        layers_per_block=2,
        cross_attention_dim=TINY_WIDTH,
        **{"attention_head_dim": 2, **more},
    )


def _sdxl_unet() -> UNet2DConditionModel:
    time_ids, time_id_width = 6, 8
    return _tiny_unet(
        block_out_channels=(8, 16, 32),
        transformer_layers_per_block=(1, 2, 3),
        cross_attention_dim=TINY_WIDTH + TINY_SECOND_WIDTH,
        attention_head_dim=(2, 2, 4),
        addition_time_embed_dim=time_id_width,
        projection_class_embeddings_input_dim=TINY_SECOND_WIDTH + time_ids * time_id_width,
        **SDXL_TREE,
    )


def _refiner_unet() -> UNet2DConditionModel:
    time_ids, time_id_width = 5, 8
    return _tiny_unet(
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2, "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
        block_out_channels=(8, 16, 32, 32),
        layers_per_block=2,
        transformer_layers_per_block=2,
        cross_attention_dim=TINY_SECOND_WIDTH,
        attention_head_dim=(2, 2, 4, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=time_id_width,
        projection_class_embeddings_input_dim=TINY_SECOND_WIDTH + time_ids * time_id_width,
    )


def _vae(scaling_factor: float = 0.18215) -> AutoencoderKL:
    vae = AutoencoderKL(
        scaling_factor=scaling_factor,
        block_out_channels=(4, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=TINY_RESOLUTION_PX,
    )
    return vae.requires_grad_(False).eval()


def _text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = _text_config(tokenizer, TINY_WIDTH, layers=12)
    return CLIPTextModel(config).requires_grad_(False).eval()


def _second_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    config = _text_config(tokenizer, TINY_SECOND_WIDTH, layers=4, hidden_act="gelu")
    return CLIPTextModelWithProjection(config).requires_grad_(False).eval()


def _text_config(tokenizer: CLIPTokenizer, width: int, layers: int, **more: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=TINY_MAX_TOKENS,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )


def _tokenizer(pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    """CLIP's tokenizer with single letters for a vocabulary: every word of ASCII can be spelled."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=[],
        model_max_length=TINY_MAX_TOKENS,
        pad_token=pad_token,
    )


@pytest.fixture
def tiny_examples(tmp_path: Path) -> list[Example]:
    """Five pictures of random colours in two shapes, square and wide, with captions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    examples = []
    for index in range(5):
        height_px, width_px = (40, 80) if index >= 3 else (72, 72)
        shape = (height_px // 8, width_px // 8, 3)
        pixels = np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
        path = folder / f"{index}.png"
        Image.fromarray(pixels).resize((width_px, height_px), Image.Resampling.NEAREST).save(path)
        examples.append(
            Example(
                path=path,
                digest=hashlib.sha256(path.read_bytes()).hexdigest(),
                width_px=width_px,
                height_px=height_px,
                caption=f"thing {index}",
            )
        )
    return examples
