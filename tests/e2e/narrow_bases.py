"""Base models with a published model's whole module tree, every layer of it, at tiny widths."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_published
from studio.bases.skeleton import skeleton_base

PUBLISHED = {
    "sd1": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd2": "stabilityai/stable-diffusion-2-1",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
    "sdxl_refiner": "stabilityai/stable-diffusion-xl-refiner-1.0",
}
WIDTHS = (
    "sample_size",
    "norm_num_groups",
    "cross_attention_dim",
    "attention_head_dim",
    "addition_time_embed_dim",
    "projection_class_embeddings_input_dim",
)
"""What of a U-Net's configuration is taken from the tiny base; the rest is the published model's."""


def narrow(tiny: BaseModel) -> BaseModel:
    """The published model of the family of a tiny base, as narrow as that, with random weights."""
    identity = identify_published(PUBLISHED[tiny.family])
    assert identity is not None
    published = skeleton_base(identity)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        small = {name: tiny.unet.config[name] for name in WIDTHS}
        unet = _made(
            UNet2DConditionModel, published.unet.config, {**small, **_few(published.unet, 8)}
        )
        groups = {"norm_num_groups": 4, "scaling_factor": tiny.vae.config["scaling_factor"]}
        vae = _made(AutoencoderKL, published.vae.config, {**groups, **_few(published.vae, 4)})
        text_encoders = []
        for one, whole in zip(tiny.text_encoders, published.text_encoders, strict=True):
            config = copy.deepcopy(one.config)
            config.num_hidden_layers = whole.config.num_hidden_layers
            text_encoders.append(type(one)(config).requires_grad_(False).eval())
    base = replace(
        tiny, name=f"narrow-{tiny.family}", unet=unet, vae=vae, text_encoders=text_encoders
    )
    for ours, theirs in zip(base.modules, published.modules, strict=True):
        assert set(ours.state_dict()) == set(theirs.state_dict())
    return base


def _few(module: Any, least: int) -> dict[str, list[int]]:
    """As many channels as the published module has at each level, the fewest of them being ``least``."""
    channels = module.config["block_out_channels"]
    return {"block_out_channels": [least * count // min(channels) for count in channels]}


def _made(kind: Any, config: Any, changes: dict[str, Any]) -> Any:
    return kind.from_config({**config, **changes}).requires_grad_(False).eval()
