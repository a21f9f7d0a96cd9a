"""A loaded base model: the parts that every room works with, whatever form they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_utils import SchedulerMixin
    from transformers import CLIPTextModel, CLIPTokenizer

Family = Literal["sd1", "sd2", "sdxl", "svd"]


@dataclass
class BaseModel:
    """A base model in memory, frozen (no parameter requires a gradient), in eval mode.

    Attributes:
        name: as the recipe gave it: ``pocket``, a hub id, a folder or a file name.
        family: the architecture family; pocket is ``sd1``, for its module tree is SD 1.5's.
        digest: SHA-256 over all weights, hexadecimal: what an adapter's header names as its base.
        resolution_px: the side of the square pictures that it was trained on.
        text_encoders, tokenizers: one each for sd1 and sd2, two for sdxl.
        noise_scheduler: carries ``prediction_type``, the betas and the sampling configuration.
    """

    name: str
    family: Family
    digest: str
    resolution_px: int
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: list[CLIPTextModel]
    tokenizers: list[CLIPTokenizer]
    noise_scheduler: SchedulerMixin

    @property
    def text_encoder(self) -> CLIPTextModel:
        return self.text_encoders[0]

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return self.tokenizers[0]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.unet.device
        return device
