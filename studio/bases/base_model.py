"""A loaded base model: the parts that every room works with, whatever form they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from studio.bases.families import FAMILIES, Family

if TYPE_CHECKING:
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_utils import SchedulerMixin
    from transformers import (
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
        CLIPVisionModelWithProjection,
    )


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
        clip_skip: which layer of the text encoders is read, counted from the end: 1 is the last.
        image_encoder: the encoder of the picture that a clip begins with; svd only.
        partner: the other stage of SDXL: the refiner of a base, or the base of a refiner, where
            pictures are to be drawn by both.
        offload_to: the GPU that the parts visit one at a time to draw, where it has no room for all of
            them; they wait on the CPU.
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
    clip_skip: int = 1
    image_encoder: CLIPVisionModelWithProjection | None = None
    partner: BaseModel | None = None
    offload_to: torch.device | None = None

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
        return dict(zip(FAMILIES[self.family].text_encoders, self.text_encoders, strict=True))

    @property
    def num_trained_timesteps(self) -> int:
        """How many of its schedule's timesteps the U-Net was trained on, the least noisy first."""
        scheduler: Any = self.noise_scheduler
        length: int = scheduler.config.num_train_timesteps
        return min(length, FAMILIES[self.family].last_timestep + 1)

    @property
    def modules(self) -> list[Any]:
        """All that holds weights, the U-Net first; diffusers and transformers mistype their ``to``."""
        image_encoders = [] if self.image_encoder is None else [self.image_encoder]
        return [self.unet, self.vae, *self.text_encoders, *image_encoders]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.unet.device
        return device
