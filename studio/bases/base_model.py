"""A loaded base model: the parts that every room works with, whatever form they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_utils import SchedulerMixin
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

Family = Literal["sd1", "sd2", "sdxl", "svd"]

TEXT_ENCODERS: dict[Family, tuple[str, ...]] = {
    "sd1": ("text_encoder",),
    "sd2": ("text_encoder",),
    "sdxl": ("text_encoder", "text_encoder_2"),
    "svd": (),
}
"""The names of a family's text encoders: their folders, and their part in a tensor's name."""


@dataclass
class BaseModel:
    """A base model in memory, frozen (no parameter requires a gradient), in eval mode.

    Attributes:
        name: as the recipe gave it: ``pocket``, a hub id, a folder or a file name.
        family: the architecture family; pocket is ``sd1``, for its module tree is SD 1.5's.
        digest: SHA-256 over all weights, hexadecimal: what an adapter's header names as its base.
        resolution_px: the side of the square pictures that it was trained on.
        text_encoders, tokenizers: one each for sd1 and sd2; two for sdxl, the second with projection.
        noise_scheduler: carries ``prediction_type``, the betas and the sampling configuration.
        force_zeros_for_empty_prompt: whether guidance moves away from zeros in place of an encoded
            empty prompt where no negative prompt is given; sdxl only.
    """

    name: str
    family: Family
    digest: str
    resolution_px: int
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: list[CLIPTextModel | CLIPTextModelWithProjection]
    tokenizers: list[CLIPTokenizer]
    noise_scheduler: SchedulerMixin
    force_zeros_for_empty_prompt: bool = False

    @property
    def text_encoder(self) -> CLIPTextModel:
        """The first text encoder; every family that reads text has it."""
        return cast("CLIPTextModel", self.text_encoders[0])

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """The first text encoder's tokenizer."""
        return self.tokenizers[0]

    @property
    def named_text_encoders(self) -> dict[str, CLIPTextModel | CLIPTextModelWithProjection]:
        """The text encoders by their part's name: ``text_encoder``, and sdxl's ``text_encoder_2``."""
        return dict(zip(TEXT_ENCODERS[self.family], self.text_encoders, strict=True))

    @property
    def device(self) -> torch.device:
        device: torch.device = self.unet.device
        return device
