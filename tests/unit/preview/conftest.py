"""A base model of random weights, small enough to draw with in a blink."""

from __future__ import annotations

import string

import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from studio.bases.base_model import BaseModel

WIDTH = 32


def _tokenizer() -> CLIPTokenizer:
    letters = [*string.printable, *(letter + "</w>" for letter in string.printable)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=32)


def _text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def _unet() -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 32, 32),
        layers_per_block=2,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        # Few groups: at 1 x 1 px a group of two channels would be normalised to their signs, and
        # rounding errors would decide the picture.
        norm_num_groups=4,
        dropout=0.1,
    )
    with torch.no_grad():  # random weights hear almost nothing of a prompt; make them listen
        for name, parameter in unet.named_parameters():
            if "attn2.to_v" in name:
                parameter.mul_(4.0)
    return unet


@pytest.fixture(scope="session")
def small_base() -> BaseModel:
    """64 px, v-prediction with zero terminal SNR, as pocket. Tests must leave it as it was."""
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = _tokenizer()
        text_encoder = _text_encoder(tokenizer)
        unet = _unet()
        vae = AutoencoderKL(
            block_out_channels=(16, 16, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=8,
        )
    for module in (unet, vae, text_encoder):
        module.requires_grad_(False).eval()
    return BaseModel(
        name="small",
        family="sd1",
        digest="0" * 64,
        resolution_px=64,
        unet=unet,
        vae=vae,
        text_encoders=[text_encoder],
        tokenizers=[tokenizer],
        noise_scheduler=DDPMScheduler(
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
        ),
    )
